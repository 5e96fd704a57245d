// Elementwise arithmetic, comparison and logic of two operands, broadcast
// (ONNX multidirectional). Integers wrap; a zero integer divisor is an error.
#include <cmath>

#include "compiler/interp/broadcast.h"
#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

Result<Tensor> BinaryOutput(EvalContext& c, DType dtype) {
  if (!c.Has(0) || !c.Has(1)) return c.Error("an operand is missing");
  HST_ASSIGN_OR_RETURN(auto dims, BroadcastShape(c, c.In(0).dims(), c.In(1).dims()));
  return c.Make(dtype, std::move(dims));
}

// T x T -> T over the numbers, or the integers alone; f generic.
template <bool kFloats, class F>
Status SameType(EvalContext& c, F f) {
  HST_RETURN_IF_ERROR(c.NeedType(1, c.In(0).dtype()));
  HST_ASSIGN_OR_RETURN(Tensor o, BinaryOutput(c, c.In(0).dtype()));
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    Broadcast2<T, T, T>(c, c.In(0), c.In(1), o, [f](T a, T b) { return static_cast<T>(f(a, b)); });
  };
  bool known = ForInt(o.dtype(), run);
  if constexpr (kFloats) known = known || ForFloat(o.dtype(), run);
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  return {};
}
template <class F>
Status Arithmetic(EvalContext& c, F f) { return SameType<true>(c, f); }
template <class F>
Status Integers(EvalContext& c, F f) { return SameType<false>(c, f); }

template <class F>
Status Comparison(EvalContext& c, F f) {
  HST_RETURN_IF_ERROR(c.NeedType(1, c.In(0).dtype()));
  HST_ASSIGN_OR_RETURN(Tensor o, BinaryOutput(c, DType::kBool));
  const bool known = ForAny(c.In(0).dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    Broadcast2<T, T, uint8_t>(c, c.In(0), c.In(1), o, [f](T a, T b) { return static_cast<uint8_t>(f(a, b)); });
  });
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  return {};
}

template <class F>
Status Logic(EvalContext& c, F f) {
  HST_RETURN_IF_ERROR(c.NeedType(0, DType::kBool));
  HST_RETURN_IF_ERROR(c.NeedType(1, DType::kBool));
  HST_ASSIGN_OR_RETURN(Tensor o, BinaryOutput(c, DType::kBool));
  Broadcast2<uint8_t, uint8_t, uint8_t>(c, c.In(0), c.In(1), o,
                                        [f](uint8_t a, uint8_t b) { return static_cast<uint8_t>(f(a != 0, b != 0)); });
  c.out[0] = std::move(o);
  return {};
}

Status NoZeroDivisor(EvalContext& c) {
  if (!c.Has(1) || IsFloat(c.In(1).dtype())) return {};
  if (c.Has(0) && c.In(0).elements() == 0) return {};
  bool zero = false;
  ForInt(c.In(1).dtype(), [&](auto tag) {
    for (auto v : c.In(1).template span<typename decltype(tag)::type>()) zero |= v == 0;
  });
  return zero ? c.Error("an integer division by zero") : Status();
}

// Truncated, and INT_MIN / -1 wraps.
template <class T>
T Quotient(T a, T b) {
  if constexpr (std::is_signed_v<T> && std::is_integral_v<T>)
    if (b == -1) return WrapSub<T>(0, a);
  return static_cast<T>(a / b);
}

// The remainder with the divisor's sign (Python's %), or the dividend's (C fmod).
template <class T>
T Modulo(T a, T b, bool fmod) {
  if constexpr (std::is_floating_point_v<T>) {
    T r = std::fmod(a, b);
    if (!fmod && r != 0 && (r < 0) != (b < 0)) r += b;
    return r;
  } else {
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
      T r = static_cast<T>(a % b);
      if (!fmod && r != 0 && (r < 0) != (b < 0)) r = static_cast<T>(r + b);
      return r;
    } else {
      return static_cast<T>(a % b);
    }
  }
}

// Exact in the integers, by squaring; wraps.
template <class T>
T IntPower(T base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? T(1) : base == static_cast<T>(-1) ? static_cast<T>(exponent % 2 ? -1 : 1) : T(0);
  T result = 1;
  for (; exponent; exponent >>= 1) {
    if (exponent & 1) result = WrapMul(result, base);
    base = WrapMul(base, base);
  }
  return result;
}

}  // namespace

Status EvalAdd(EvalContext& c) { return Arithmetic(c, [](auto a, auto b) { return WrapAdd(a, b); }); }
Status EvalSub(EvalContext& c) { return Arithmetic(c, [](auto a, auto b) { return WrapSub(a, b); }); }
Status EvalMul(EvalContext& c) { return Arithmetic(c, [](auto a, auto b) { return WrapMul(a, b); }); }
Status EvalDiv(EvalContext& c) {
  HST_RETURN_IF_ERROR(NoZeroDivisor(c));
  return Arithmetic(c, [](auto a, auto b) { return Quotient(a, b); });
}
Status EvalMod(EvalContext& c) {
  HST_RETURN_IF_ERROR(NoZeroDivisor(c));
  const bool fmod = c.node.Int("fmod", 0) != 0;
  return Arithmetic(c, [fmod](auto a, auto b) { return Modulo(a, b, fmod); });
}

Status EvalEqual(EvalContext& c) {
  if (c.Has(0) && c.In(0).dtype() == DType::kBool) return Comparison(c, [](auto a, auto b) { return (a != 0) == (b != 0); });
  return Comparison(c, [](auto a, auto b) { return a == b; });
}
Status EvalGreater(EvalContext& c) { return Comparison(c, [](auto a, auto b) { return a > b; }); }
Status EvalGreaterOrEqual(EvalContext& c) { return Comparison(c, [](auto a, auto b) { return a >= b; }); }
Status EvalLess(EvalContext& c) { return Comparison(c, [](auto a, auto b) { return a < b; }); }
Status EvalLessOrEqual(EvalContext& c) { return Comparison(c, [](auto a, auto b) { return a <= b; }); }

Status EvalAnd(EvalContext& c) { return Logic(c, [](bool a, bool b) { return a && b; }); }
Status EvalOr(EvalContext& c) { return Logic(c, [](bool a, bool b) { return a || b; }); }
Status EvalXor(EvalContext& c) { return Logic(c, [](bool a, bool b) { return a != b; }); }

Status EvalBitwiseAnd(EvalContext& c) { return Integers(c, [](auto a, auto b) { return a & b; }); }
Status EvalBitwiseOr(EvalContext& c) { return Integers(c, [](auto a, auto b) { return a | b; }); }
Status EvalBitwiseXor(EvalContext& c) { return Integers(c, [](auto a, auto b) { return a ^ b; }); }

Status EvalBitShift(EvalContext& c) {
  const std::string direction = c.node.Str("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") return c.Error("direction is \"", direction, "\"");
  if (!c.Has(0) || !IsUnsignedInt(c.In(0).dtype())) return c.WrongType(0);
  const bool left = direction == "LEFT";
  const uint64_t width = DTypeSize(c.In(0).dtype()) * 8;
  return Integers(c, [=](auto a, auto b) -> decltype(a) {
    const uint64_t by = static_cast<uint64_t>(b), v = static_cast<uint64_t>(a);
    if (by >= width) return 0;  // shifted out
    return static_cast<decltype(a)>(left ? v << by : v >> by);
  });
}

// The exponent's type does not matter beyond its value, so it is brought to one
// type a case: int64 between integers, float between floats, else double.
Status EvalPow(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(Tensor o, BinaryOutput(c, c.In(0).dtype()));
  // x^2 is what RMS norms are made of.
  const bool square = c.In(1).elements() == 1 && c.In(1).At(0) == 2.0;
  if (c.In(1).dtype() == DType::kBool) return c.WrongType(1);
  const bool integers = !IsFloat(c.In(0).dtype()) && !IsFloat(c.In(1).dtype());
  const bool floats = c.In(0).dtype() == DType::kF32 && c.In(1).dtype() == DType::kF32;
  HST_ASSIGN_OR_RETURN(const Tensor exponent, ConvertTensor(c, c.In(1), integers ? DType::kI64 : floats ? DType::kF32 : DType::kF64));
  const bool known = ForNumber(o.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (square) {
      Broadcast2<T, T, T>(c, c.In(0), c.In(0), o, [](T a, T b) { return WrapMul(a, b); });
      return;
    }
    if constexpr (std::is_integral_v<T>) {
      if (integers) {
        Broadcast2<T, int64_t, T>(c, c.In(0), exponent, o, [](T a, int64_t b) { return IntPower(a, b); });
        return;
      }
    }
    if constexpr (std::is_same_v<T, float>) {
      if (floats) {
        Broadcast2<T, float, T>(c, c.In(0), exponent, o, [](float a, float b) { return std::pow(a, b); });
        return;
      }
    }
    Broadcast2<T, double, T>(c, c.In(0), exponent, o,
                             [](T a, double b) { return Convert<T>(std::pow(static_cast<double>(a), b)); });
  });
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  return {};
}

Status EvalPRelu(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(const auto dims, BroadcastShape(c, c.In(0).dims(), c.In(1).dims()));
  if (dims != c.In(0).dims()) return c.Error("the slope of dims ", DimsText(c.In(1).dims()), " does not broadcast to ", DimsText(c.In(0).dims()));
  return Arithmetic(c, [](auto x, auto slope) { return x < 0 ? WrapMul(x, slope) : x; });
}

}  // namespace hasten::interp
