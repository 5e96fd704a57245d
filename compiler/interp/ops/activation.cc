// Activation functions of one operand (ONNX), attributes with ONNX's defaults.
#include <cmath>

#include "compiler/interp/fast_math.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/unary.h"

namespace hasten::interp {
namespace {

// log(1 + e^x) without overflow.
template <class T>
T Softplus(T x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

}  // namespace

Status EvalSigmoid(EvalContext& c) {
  return MapFloat(c, [](auto x) { return 1 / (1 + FastExp(-x)); });
}

Status EvalRelu(EvalContext& c) {
  return MapNumber(c, [](auto x) { return x < 0 ? decltype(x)(0) : x; });  // NaN passes
}

Status EvalGelu(EvalContext& c) {
  const std::string approximate = c.node.Str("approximate", "none");
  if (approximate == "tanh")
    return MapFloat(c, [](auto x) {
      using T = decltype(x);
      return T(0.5) * x * (1 + std::tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x)));  // sqrt(2 / pi)
    });
  if (approximate != "none") return c.Error("approximate is \"", approximate, "\"");
  return MapFloat(c, [](auto x) {
    using T = decltype(x);
    return T(0.5) * x * (1 + std::erf(x * T(0.70710678118654752440)));
  });
}

Status EvalCelu(EvalContext& c) {
  const double a = c.node.Float("alpha", 1.0);
  return MapFloat(c, [a](auto x) {
    using T = decltype(x);
    return x > 0 ? x : T(a) * std::expm1(x / T(a));
  });
}

Status EvalElu(EvalContext& c) {
  const double a = c.node.Float("alpha", 1.0);
  return MapFloat(c, [a](auto x) { return x < 0 ? decltype(x)(a) * std::expm1(x) : x; });
}

Status EvalSelu(EvalContext& c) {
  const double a = c.node.Float("alpha", 1.67326319217681884765625), g = c.node.Float("gamma", 1.05070102214813232421875);
  return MapFloat(c, [=](auto x) {
    using T = decltype(x);
    return T(g) * (x > 0 ? x : T(a) * std::expm1(x));
  });
}

Status EvalLeakyRelu(EvalContext& c) {
  const double a = c.node.Float("alpha", 0.01);
  return MapFloat(c, [a](auto x) { return x < 0 ? decltype(x)(a) * x : x; });
}

Status EvalThresholdedRelu(EvalContext& c) {
  const double a = c.node.Float("alpha", 1.0);
  return MapFloat(c, [a](auto x) { return x > decltype(x)(a) ? x : decltype(x)(0); });
}

Status EvalHardSigmoid(EvalContext& c) {
  const double a = c.node.Float("alpha", 0.2), b = c.node.Float("beta", 0.5);
  return MapFloat(c, [=](auto x) {
    using T = decltype(x);
    return std::max(T(0), std::min(T(1), T(a) * x + T(b)));
  });
}

Status EvalHardSwish(EvalContext& c) {
  return MapFloat(c, [](auto x) {
    using T = decltype(x);
    return x * std::max(T(0), std::min(T(1), x / T(6) + T(0.5)));
  });
}

Status EvalMish(EvalContext& c) {
  return MapFloat(c, [](auto x) { return x * std::tanh(Softplus(x)); });
}

Status EvalSwish(EvalContext& c) {
  const double a = c.node.Float("alpha", 1.0);
  return MapFloat(c, [a](auto x) { return x / (1 + std::exp(-decltype(x)(a) * x)); });
}

Status EvalSoftplus(EvalContext& c) {
  return MapFloat(c, [](auto x) { return Softplus(x); });
}

Status EvalSoftsign(EvalContext& c) {
  return MapFloat(c, [](auto x) { return x / (1 + std::abs(x)); });
}

Status EvalShrink(EvalContext& c) {
  const double bias = c.node.Float("bias", 0.0), lambda = c.node.Float("lambd", 0.5);
  return MapNumber(c, [=](auto x) {
    using T = decltype(x);
    const double v = static_cast<double>(x);
    return Convert<T>(v < -lambda ? v + bias : v > lambda ? v - bias : 0.0);
  });
}

}  // namespace hasten::interp
