// Conversion of whole tensors between dtypes.
#include <vector>

#include "compiler/interp/context.h"
#include "compiler/interp/dispatch.h"
#include "runtime/base/half.h"

namespace hasten::interp {
namespace {

// Loads of each stored type as the number it stands for.
struct F16Load { float operator()(uint16_t v) const { return HalfToFloat(v); } };
struct BF16Load { float operator()(uint16_t v) const { return BFloatToFloat(v); } };
template <class T>
struct PlainLoad { T operator()(T v) const { return v; } };
struct BoolLoad { uint8_t operator()(uint8_t v) const { return v != 0; } };

// One rounding from double or a wide integer to a half type: through float, made
// odd where float was inexact, so that the second rounding cannot tie wrongly.
template <class V>
float RoundToOdd(V v) {
  const float f = static_cast<float>(v);
  if constexpr (std::is_same_v<V, float>) {
    return f;
  } else {
    const long double exact = static_cast<long double>(v), got = static_cast<long double>(f);
    if (got == exact || !(exact == exact) || std::isinf(f)) return f;
    if (std::bit_cast<uint32_t>(f) & 1u) return f;
    return std::nextafterf(f, exact > got ? INFINITY : -INFINITY);
  }
}

template <class S, class Load, class D, class Store>
void Loop(const EvalContext& c, const S* s, D* d, int64_t n, Load load, Store store) {
  c.Parallel(n, 1, [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; ++i) d[i] = store(load(s[i]));
  });
}

template <class S, class Load>
void To(const EvalContext& c, const S* s, Tensor& out, Load load) {
  const int64_t n = out.elements();
  if (out.dtype() == DType::kF16) {
    Loop(c, s, out.mutable_data<uint16_t>(), n, load, [](auto v) { return FloatToHalf(RoundToOdd(v)); });
  } else if (out.dtype() == DType::kBF16) {
    Loop(c, s, out.mutable_data<uint16_t>(), n, load, [](auto v) { return FloatToBFloat(RoundToOdd(v)); });
  } else if (out.dtype() == DType::kBool) {
    Loop(c, s, out.mutable_data<uint8_t>(), n, load, [](auto v) { return static_cast<uint8_t>(v != 0); });
  } else {
    ForNumber(out.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      Loop(c, s, out.mutable_data<T>(), n, load, [](auto v) { return Convert<T>(v); });
    });
  }
}

}  // namespace

Result<Tensor> ConvertTensor(const EvalContext& c, const Tensor& t, DType to) {
  if (t.dtype() == to) return t;
  HST_ASSIGN_OR_RETURN(Tensor out, c.Make(to, t.dims()));
  if (t.dtype() == DType::kF16) To(c, t.data<uint16_t>(), out, F16Load{});
  else if (t.dtype() == DType::kBF16) To(c, t.data<uint16_t>(), out, BF16Load{});
  else if (t.dtype() == DType::kBool) To(c, t.data<uint8_t>(), out, BoolLoad{});
  else
    ForNumber(t.dtype(), [&](auto tag) {
      using S = typename decltype(tag)::type;
      To(c, t.data<S>(), out, PlainLoad<S>{});
    });
  return out;
}

}  // namespace hasten::interp
