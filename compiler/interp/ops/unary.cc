// Elementwise mathematics of one operand (ONNX opsets 6 to 22).
#include <cmath>

#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/unary.h"

namespace hasten::interp {

Status EvalAcos(EvalContext& c) { return MapFloat(c, [](auto x) { return std::acos(x); }); }
Status EvalAcosh(EvalContext& c) { return MapFloat(c, [](auto x) { return std::acosh(x); }); }
Status EvalAsin(EvalContext& c) { return MapFloat(c, [](auto x) { return std::asin(x); }); }
Status EvalAsinh(EvalContext& c) { return MapFloat(c, [](auto x) { return std::asinh(x); }); }
Status EvalAtan(EvalContext& c) { return MapFloat(c, [](auto x) { return std::atan(x); }); }
Status EvalAtanh(EvalContext& c) { return MapFloat(c, [](auto x) { return std::atanh(x); }); }
Status EvalCeil(EvalContext& c) { return MapFloat(c, [](auto x) { return std::ceil(x); }); }
Status EvalCos(EvalContext& c) { return MapFloat(c, [](auto x) { return std::cos(x); }); }
Status EvalCosh(EvalContext& c) { return MapFloat(c, [](auto x) { return std::cosh(x); }); }
Status EvalErf(EvalContext& c) {
  if (!IsFloat(c.In(0).dtype())) return MapNumber(c, [](auto x) { return std::erf(static_cast<double>(x)); });
  return MapFloat(c, [](auto x) { return std::erf(x); });
}
Status EvalExp(EvalContext& c) { return MapFloat(c, [](auto x) { return std::exp(x); }); }
Status EvalFloor(EvalContext& c) { return MapFloat(c, [](auto x) { return std::floor(x); }); }
Status EvalLog(EvalContext& c) { return MapFloat(c, [](auto x) { return std::log(x); }); }
Status EvalReciprocal(EvalContext& c) { return MapFloat(c, [](auto x) { return 1 / x; }); }
// To nearest, ties to even: the canonical floating-point environment rounds so.
Status EvalRound(EvalContext& c) { return MapFloat(c, [](auto x) { return std::nearbyint(x); }); }
Status EvalSin(EvalContext& c) { return MapFloat(c, [](auto x) { return std::sin(x); }); }
Status EvalSinh(EvalContext& c) { return MapFloat(c, [](auto x) { return std::sinh(x); }); }
Status EvalSqrt(EvalContext& c) { return MapFloat(c, [](auto x) { return std::sqrt(x); }); }
Status EvalTan(EvalContext& c) { return MapFloat(c, [](auto x) { return std::tan(x); }); }
Status EvalTanh(EvalContext& c) { return MapFloat(c, [](auto x) { return std::tanh(x); }); }

Status EvalAbs(EvalContext& c) {
  return MapNumber(c, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_unsigned_v<T>) return x;
    else if constexpr (std::is_integral_v<T>) return x < 0 ? WrapSub<T>(0, x) : x;
    else return std::abs(x);
  });
}

Status EvalNeg(EvalContext& c) {
  return MapNumber(c, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_integral_v<T>) return WrapSub<T>(0, x);
    else return -x;
  });
}

Status EvalSign(EvalContext& c) {
  return MapNumber(c, [](auto x) {
    using T = decltype(x);
    if constexpr (std::is_floating_point_v<T>)
      if (x != x) return x;
    return static_cast<T>(x > T(0) ? 1 : x == T(0) ? 0 : -1);
  });
}

Status EvalBitwiseNot(EvalContext& c) {
  Status status;
  const bool known = ForInt(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    status = MapAs<T>(c, [](T x) { return static_cast<T>(~x); });
  });
  return known ? status : c.WrongType(0);
}

Status EvalNot(EvalContext& c) {
  HST_RETURN_IF_ERROR(c.NeedType(0, DType::kBool));
  return MapAs<uint8_t>(c, [](uint8_t x) { return static_cast<uint8_t>(x == 0); });
}

namespace {

template <class F>
Status Predicate(EvalContext& c, F f) {
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kBool, c.In(0).dims()));
  uint8_t* y = o.mutable_data<uint8_t>();
  const bool known = ForFloat(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* x = c.In(0).template data<T>();
    c.Parallel(o.elements(), 1, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) y[i] = f(x[i]);
    });
  });
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  return {};
}

}  // namespace

Status EvalIsNan(EvalContext& c) { return Predicate(c, [](auto x) { return x != x; }); }

Status EvalIsInf(EvalContext& c) {
  const bool negative = c.node.Int("detect_negative", 1) != 0, positive = c.node.Int("detect_positive", 1) != 0;
  return Predicate(c, [=](auto x) { return std::isinf(x) && (x < 0 ? negative : positive); });
}

Status EvalClip(EvalContext& c) {
  Status status;
  for (size_t i = 1; i < 3; ++i) {
    if (!c.Has(i)) continue;
    HST_RETURN_IF_ERROR(c.NeedType(i, c.In(0).dtype()));
    if (c.In(i).elements() != 1) return c.Error("operand ", i, " needs one number");
  }
  const bool known = ForNumber(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T low = c.Has(1) ? *c.In(1).template data<T>() : std::numeric_limits<T>::lowest();
    const T high = c.Has(2) ? *c.In(2).template data<T>() : std::numeric_limits<T>::max();
    const bool has_low = c.Has(1), has_high = c.Has(2);
    status = MapAs<T>(c, [=](T x) {  // min > max: max wins; NaN passes
      if (has_low && x < low) x = low;
      return has_high && x > high ? high : x;
    });
  });
  return known ? status : c.WrongType(0);
}

}  // namespace hasten::interp
