// act(x) {kind} and gated_act(gate, up) {act}: act(gate) * up. The kinds are
// listed in compiler/ir/ops/acts.h; quick_gelu is x * sigmoid(1.702 x), relu2
// the square of relu.
#include <cmath>

#include "compiler/interp/fast_math.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/semantic.h"
#include "compiler/ir/ops/acts.h"

namespace hasten::interp {
namespace {

float Sigmoid(float x) { return 1 / (1 + FastExp(-x)); }
float Relu(float x) { return x < 0 ? 0 : x; }
float Gelu(float x) { return 0.5f * x * (1 + std::erf(x * 0.70710678f)); }
float GeluTanh(float x) { return 0.5f * x * (1 + std::tanh(0.79788456f * (x + 0.044715f * x * x * x))); }
float Softplus(float x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

using ActFn = float (*)(float);

ActFn FindAct(std::string_view kind) {
  struct Row {
    std::string_view kind;
    ActFn fn;
  };
  static constexpr Row kRows[] = {
      {"relu", Relu},
      {"sigmoid", Sigmoid},
      {"silu", [](float x) { return x * Sigmoid(x); }},
      {"gelu", Gelu},
      {"gelu_tanh", GeluTanh},
      {"tanh", [](float x) { return std::tanh(x); }},
      {"quick_gelu", [](float x) { return x * Sigmoid(1.702f * x); }},
      {"exp", [](float x) { return std::exp(x); }},
      {"log", [](float x) { return std::log(x); }},
      {"sqrt", [](float x) { return std::sqrt(x); }},
      {"reciprocal", [](float x) { return 1 / x; }},
      {"neg", [](float x) { return -x; }},
      {"abs", [](float x) { return std::abs(x); }},
      {"erf", [](float x) { return std::erf(x); }},
      {"square", [](float x) { return x * x; }},
      {"softplus", Softplus},
      {"relu2", [](float x) { return Relu(x) * Relu(x); }},
      {"cos", [](float x) { return std::cos(x); }},
      {"sin", [](float x) { return std::sin(x); }},
  };
  static_assert(std::size(kRows) == ir::kActKinds.size());
  for (const Row& row : kRows)
    if (row.kind == kind) return row.fn;
  return nullptr;
}

Status Apply(EvalContext& c, const std::string& kind, const Tensor* up) {
  const ActFn fn = FindAct(kind);
  if (!fn) return c.Error("unknown activation \"", kind, "\"");
  HST_RETURN_IF_ERROR(c.NeedType(0, DType::kF32));
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kF32, c.In(0).dims()));
  const float *x = c.In(0).data<float>(), *u = up ? up->data<float>() : nullptr;
  float* y = o.mutable_data<float>();
  c.Parallel(o.elements(), 4, [&](int64_t b, int64_t e) {
    for (int64_t i = b; i < e; ++i) y[i] = u ? fn(x[i]) * u[i] : fn(x[i]);
  });
  c.out[0] = std::move(o);
  return {};
}

}  // namespace

Status EvalAct(EvalContext& c) { return Apply(c, c.node.Str("kind", ""), nullptr); }

Status EvalGatedAct(EvalContext& c) {
  HST_RETURN_IF_ERROR(c.NeedType(1, DType::kF32));
  HST_RETURN_IF_ERROR(c.NeedDims(1, c.In(0).dims()));
  return Apply(c, c.node.Str("act", ""), &c.In(1));
}

}  // namespace hasten::interp
