// Matchers of norms, activations and column concatenation in element expressions.
#include <algorithm>
#include <cmath>
#include <set>

#include "passes/recognize/lower.h"
#include "runtime/base/half.h"

namespace hasten::recognize {

using ir::Poly;
using ir::Value;

namespace {

// sqrt(mean_r(body) + eps), seen as a factor below the fraction line.
struct RootMean {
  E mean = nullptr;   // the reduction
  double eps = 0;
};

std::optional<RootMean> AsRootMean(E e) {
  if (e->kind != Kind::kUnary || e->op != Op::kSqrt) return std::nullopt;
  RootMean out;
  for (E t : Terms(e->args[0])) {
    if (t->kind == Kind::kConst) out.eps += t->c;
    else if (t->kind == Kind::kReduce && t->op == Op::kMean && !out.mean) out.mean = t;
    else return std::nullopt;
  }
  return out.mean ? std::optional<RootMean>(out) : std::nullopt;
}

}  // namespace

// x / sqrt(mean(x^2) + eps) [* w] [+ b], x centered or not, over the d of one head.
Result<Value*> Lowering::TryNorm(E e, const Space& space) {
  E product = e, bias = nullptr;
  if (e->kind == Kind::kBinary && e->op == Op::kAdd)
    for (int i : {0, 1})
      if (IsVector(e->args[i])) bias = e->args[i], product = e->args[1 - i];
  auto factors = Factors(product);
  const auto at = std::find_if(factors.begin(), factors.end(), [](const auto& f) { return f.second && AsRootMean(f.first); });
  if (at == factors.end()) return nullptr;
  const E at_root = at->first;
  const RootMean root = *AsRootMean(at_root);
  factors.erase(at);
  const E squared = root.mean->args[0];
  if (root.mean->poly != Poly(space.width) || squared->kind != Kind::kUnary || squared->op != Op::kSquare) return nullptr;
  // What is squared under the root is x; what else stands in the product is the weight.
  const std::string d = space.d.Symbols()[0];
  const E x = pool().Replace(squared->args[0], {{root.mean->var, space.d}});
  if (pool().Replace(x, {{d, Poly::Symbol(root.mean->var)}}) != squared->args[0]) return nullptr;
  for (const auto& f : Factors(x)) {
    const auto it = std::find(factors.begin(), factors.end(), f);
    if (it == factors.end()) return nullptr;
    factors.erase(it);
  }
  E weight = pool().Const(1);
  for (const auto& [factor, below] : factors) {
    if (!IsVector(factor)) return nullptr;
    weight = pool().Binary(below ? Op::kDiv : Op::kMul, weight, factor);
  }
  // Centered: x = x0 - mean(x0).
  E x0 = nullptr;
  if (x->kind == Kind::kBinary && x->op == Op::kAdd)
    for (int i : {0, 1}) {
      const E m = x->args[i];
      if (m->kind != Kind::kUnary || m->op != Op::kNeg || m->args[0]->kind != Kind::kReduce || m->args[0]->op != Op::kMean) continue;
      const E mean = m->args[0], candidate = x->args[1 - i];
      if (mean->poly == Poly(space.width) && pool().Replace(candidate, {{d, Poly::Symbol(mean->var)}}) == mean->args[0]) x0 = candidate;
    }
  // The op's weight is the same for every head: one that is not is multiplied (and a
  // bias added) afterwards, as the formula has it.
  const auto per_head = [&](E v) { return space.groups > 1 && pool().Uses(v, space.h.Symbols()[0]); };
  if (per_head(weight) || (bias && per_head(bias))) {
    E normed = pool().Const(1);
    for (const auto& [factor, below] : Factors(x)) normed = pool().Binary(below ? Op::kDiv : Op::kMul, normed, factor);
    normed = pool().Binary(Op::kDiv, normed, at_root);
    HST_ASSIGN_OR_RETURN(Value * y, Rows(normed, space));
    HST_ASSIGN_OR_RETURN(Value * gains, Vector(weight, space));
    y = Emit("mul", {y, gains}, {}, e->origin, space.cols());
    if (!bias) return y;
    HST_ASSIGN_OR_RETURN(Value * b, Vector(bias, space));
    return Emit("add", {y, b}, {}, e->origin, space.cols());
  }
  Space one = MakeSpace(1, space.width);
  HST_ASSIGN_OR_RETURN(Value * w, Vector(weight, one));
  HST_ASSIGN_OR_RETURN(Value * row, Rows(x0 ? x0 : x, space));
  ir::Attrs attrs = {{"eps", root.eps}, {"groups", space.groups}};
  if (x0) {
    std::vector<Value*> inputs = {row, w};
    if (bias) {
      HST_ASSIGN_OR_RETURN(Value * b, Vector(bias, one));
      inputs.push_back(b);
    }
    return Emit("layer_norm", std::move(inputs), std::move(attrs), e->origin, space.cols());
  }
  Value* y = Emit("rms_norm", {row, w}, std::move(attrs), e->origin, space.cols());
  if (!bias) return y;
  HST_ASSIGN_OR_RETURN(Value * b, Vector(bias, space));
  return Emit("add", {y, b}, {}, e->origin, space.cols());
}

namespace {

// How a constant of the formula was stored.
using Store = double (*)(double);
double Whole(double c) { return c; }
double Half(double c) { return HalfToFloat(FloatToHalf(static_cast<float>(c))); }
double Brain(double c) { return BFloatToFloat(FloatToBFloat(static_cast<float>(c))); }
struct Stored {
  Store store;
  double rounding;   // of a value in [-1, 1]
};
constexpr Stored kStored[] = {{Whole, 0}, {Half, 0x1p-12}, {Brain, 0x1p-9}};

struct Activation {
  std::string_view name;
  double (*f)(double x, Store store);
};

double Sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

// Only compositions: single functions are lowered as they are.
constexpr Activation kActivations[] = {
    {"silu", [](double x, Store) { return x * Sigmoid(x); }},
    {"gelu", [](double x, Store c) { return 0.5 * x * (1.0 + std::erf(x * c(M_SQRT1_2))); }},
    {"gelu", [](double x, Store c) { return 0.5 * x * (1.0 + std::erf(x / c(M_SQRT2))); }},
    {"gelu_tanh", [](double x, Store c) { return 0.5 * x * (1.0 + std::tanh(c(std::sqrt(2.0 / M_PI)) * (x + c(0.044715) * x * x * x))); }},
    {"quick_gelu", [](double x, Store c) { return x * Sigmoid(c(1.702) * x); }},
    {"softplus", [](double x, Store) { return std::log1p(std::exp(x)); }},
    {"sigmoid", [](double x, Store) { return Sigmoid(x); }},
    {"relu2", [](double x, Store) { return x > 0 ? x * x : 0; }},
};

// The elementwise nodes below e, nearest first, at most `limit`.
std::vector<E> Below(E e, size_t limit) {
  std::vector<E> queue = {e};
  for (size_t i = 0; i < queue.size() && queue.size() < limit; ++i) {
    const E x = queue[i];
    if (x->kind != Kind::kUnary && x->kind != Kind::kBinary) continue;
    for (E a : x->args)
      if (a->kind != Kind::kConst && std::find(queue.begin(), queue.end(), a) == queue.end()) queue.push_back(a);
  }
  return queue;
}

// The activation that e is of `leaf`, compared at points that cover both tails and
// the bend; empty when it is none. `rounding` is what its constants were stored with.
std::string_view KnownActivation(const ExprPool& pool, E e, E leaf, double* rounding) {
  for (const Activation& act : kActivations)
    for (const Stored& stored : kStored) {
      bool equal = true;
      for (double x = -9.75; x <= 10 && equal; x += 0.5) {
        const double want = act.f(x, stored.store);
        const auto got = EvalWith(pool, e, leaf, x);
        equal = got && std::fabs(*got - want) <= 2e-6 * std::max(1.0, std::fabs(want));
      }
      if (!equal) continue;
      *rounding = stored.rounding;
      return act.name;
    }
  return {};
}

}  // namespace

// Compositions of one argument such as x * sigmoid(x), told by their values: a
// spelling cannot hide a function.
Result<Value*> Lowering::TryActivation(E e, const Space& space) {
  if (e->kind != Kind::kBinary && !(e->kind == Kind::kUnary && (e->op == Op::kSquare || e->op == Op::kLog || e->op == Op::kReciprocal)))
    return nullptr;
  constexpr size_t kMostNodes = 24;
  const std::vector<E> nodes = Below(e, kMostNodes);
  for (size_t i = 1; i < nodes.size(); ++i) {
    const E leaf = nodes[i];
    if (!EvalWith(pool(), e, leaf, 0.5)) continue;  // depends on more than this leaf
    double rounding = 0;
    const std::string_view kind = KnownActivation(pool(), e, leaf, &rounding);
    if (kind.empty()) continue;
    UndoRounding(rounding);
    HST_ASSIGN_OR_RETURN(Value * row, Rows(leaf, space));
    return Emit("act", {row}, {{"kind", std::string(kind)}}, e->origin, space.cols());
  }
  // x * sigmoid(x) spread over a longer product: gate * (sigmoid(gate) * up).
  if (e->kind != Kind::kBinary || e->op != Op::kMul) return nullptr;
  const auto factors = Factors(e);
  for (size_t i = 0; i < factors.size(); ++i)
    for (size_t j = 0; j < factors.size(); ++j) {
      const E s = factors[j].first;
      if (i == j || factors.size() < 3 || factors[i].second || factors[j].second || s->kind != Kind::kUnary ||
          s->op != Op::kSigmoid || s->args[0] != factors[i].first)
        continue;
      HST_ASSIGN_OR_RETURN(Value * gate, Rows(factors[i].first, space));
      E rest = pool().Const(1);
      for (size_t k = 0; k < factors.size(); ++k)
        if (k != i && k != j) rest = pool().Binary(factors[k].second ? Op::kDiv : Op::kMul, rest, factors[k].first);
      if (IsVector(rest)) return nullptr;
      HST_ASSIGN_OR_RETURN(Value * up, Rows(rest, space));
      Value* silu = Emit("act", {gate}, {{"kind", std::string("silu")}}, e->origin, space.cols());
      return Emit("mul", {silu, up}, {}, e->origin, space.cols());
    }
  return nullptr;
}

// where(d <= t, left, right): columns of different origin side by side.
Result<Value*> Lowering::TryConcat(E e, const Space& space) {
  if (e->kind != Kind::kSelect || space.groups != 1 || e->args[0]->kind != Kind::kGe0) return nullptr;
  const auto last = (e->args[0]->poly + space.d).AsConst();  // last - d >= 0: d in [0, last]
  if (!last || *last < 0 || *last + 1 >= space.width) return nullptr;
  const std::string d = space.d.Symbols()[0];
  Space left = MakeSpace(1, *last + 1), right = MakeSpace(1, space.width - *last - 1);
  left.row = right.row = space.row;
  HST_ASSIGN_OR_RETURN(Value * a, Rows(pool().Replace(e, {{d, left.d}}), left));
  HST_ASSIGN_OR_RETURN(Value * b, Rows(pool().Replace(e, {{d, right.d + Poly(*last + 1)}}), right));
  return Emit("concat_cols", {a, b}, {}, e->origin, space.cols());
}

}  // namespace hasten::recognize
