// act(x) and gated_act(gate, up) = act(gate) * up.
#include <cmath>

#include "calib/grad/backward.h"
#include "compiler/interp/fast_math.h"
#include "compiler/ir/ops/acts.h"

namespace hasten::calib {
namespace {

using interp::FastExp;

float Sigmoid(float x) { return 1 / (1 + FastExp(-x)); }
float Normal(float x) { return 0.39894228f * FastExp(-0.5f * x * x); }   // density of N(0, 1)

// d/dx of x * sigmoid(a x).
float SiluSlope(float a, float x) {
  const float s = Sigmoid(a * x);
  return s * (1 + a * x * (1 - s));
}

float GeluTanhSlope(float x) {
  const float t = std::tanh(0.79788456f * (x + 0.044715f * x * x * x));
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.79788456f * (1 + 3 * 0.044715f * x * x);
}

struct Row {
  std::string_view kind;
  Derivative derivative;
  float (*value)(float);
};

// The values only of those that models gate by; their spelling is the interpreter's.
constexpr Row kRows[] = {
    {"relu", [](float x) { return x > 0 ? 1.0f : 0.0f; }, [](float x) { return x < 0 ? 0.0f : x; }},
    {"sigmoid", [](float x) { return Sigmoid(x) * (1 - Sigmoid(x)); }, Sigmoid},
    {"silu", [](float x) { return SiluSlope(1, x); }, [](float x) { return x * Sigmoid(x); }},
    {"gelu", [](float x) { return 0.5f * (1 + std::erf(x * 0.70710678f)) + x * Normal(x); },
     [](float x) { return 0.5f * x * (1 + std::erf(x * 0.70710678f)); }},
    {"gelu_tanh", GeluTanhSlope,
     [](float x) { return 0.5f * x * (1 + std::tanh(0.79788456f * (x + 0.044715f * x * x * x))); }},
    {"tanh", [](float x) { return 1 - std::tanh(x) * std::tanh(x); }, [](float x) { return std::tanh(x); }},
    {"quick_gelu", [](float x) { return SiluSlope(1.702f, x); }, [](float x) { return x * Sigmoid(1.702f * x); }},
    {"exp", [](float x) { return std::exp(x); }, [](float x) { return std::exp(x); }},
    {"log", [](float x) { return 1 / x; }, [](float x) { return std::log(x); }},
    {"sqrt", [](float x) { return 0.5f / std::sqrt(x); }, [](float x) { return std::sqrt(x); }},
    {"reciprocal", [](float x) { return -1 / (x * x); }, [](float x) { return 1 / x; }},
    {"neg", [](float) { return -1.0f; }, [](float x) { return -x; }},
    {"abs", [](float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f; }, [](float x) { return std::abs(x); }},
    {"erf", [](float x) { return 1.1283792f * std::exp(-x * x); }, [](float x) { return std::erf(x); }},
    {"square", [](float x) { return 2 * x; }, [](float x) { return x * x; }},
    {"softplus", Sigmoid, [](float x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }},
    {"relu2", [](float x) { return x > 0 ? 2 * x : 0.0f; }, [](float x) { return x > 0 ? x * x : 0.0f; }},
    {"cos", [](float x) { return -std::sin(x); }, [](float x) { return std::cos(x); }},
    {"sin", [](float x) { return std::cos(x); }, [](float x) { return std::sin(x); }},
};
static_assert(std::size(kRows) == ir::kActKinds.size());

const Row* Find(std::string_view kind) {
  for (const Row& row : kRows)
    if (row.kind == kind) return &row;
  return nullptr;
}

constexpr int64_t kPiece = 4096;   // elements a tile

template <class F>
void ForElements(const BackwardArgs& a, const F& f) {
  const int64_t n = a.out.elements();
  a.pool.Run((n + kPiece - 1) / kPiece, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin * kPiece; i < std::min(n, end * kPiece); ++i) f(i);
  });
}

}  // namespace

Derivative FindDerivative(std::string_view kind) {
  const Row* row = Find(kind);
  return row ? row->derivative : nullptr;
}

Status BackwardAct(const BackwardArgs& a) {
  const Derivative slope = FindDerivative(a.node.Str("kind", ""));
  if (!slope) return a.Error(a.node.Str("kind", ""));
  const float* x = a.in[0].data<float>();
  if (a.d[0]) ForElements(a, [&](int64_t i) { a.d[0][i] += a.g[i] * slope(x[i]); });
  return {};
}

Status BackwardGatedAct(const BackwardArgs& a) {
  const Row* row = Find(a.node.Str("act", ""));
  if (!row) return a.Error(a.node.Str("act", ""));
  const float *gate = a.in[0].data<float>(), *up = a.in[1].data<float>();
  ForElements(a, [&](int64_t i) {
    if (a.d[0]) a.d[0][i] += a.g[i] * up[i] * row->derivative(gate[i]);
    if (a.d[1]) a.d[1][i] += a.g[i] * row->value(gate[i]);
  });
  return {};
}

}  // namespace hasten::calib
