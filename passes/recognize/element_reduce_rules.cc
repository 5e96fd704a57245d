// Element rules of ops that sum over an axis: products, reductions, norms.
// Semantics: ONNX opset 24.
#include "passes/recognize/element_rules.h"

namespace hasten::recognize {
namespace {

using ir::Node;
using ir::Poly;
using ir::Value;
using Index = std::vector<Poly>;

// a[.., i, r] * b[.., r, j] summed over r (ONNX MatMul, numpy broadcasting).
E MatMulRule(Elements& el, const Node& n, int, const Index& index) {
  const Value *a = n.input(0), *b = n.input(1), *out = n.output();
  if (!a->type.ranked || !b->type.ranked || a->type.rank() < 2 || b->type.rank() < 2) return nullptr;
  const ir::Dim k = a->type.shape.back(), kb = b->type.shape[static_cast<size_t>(b->type.rank() - 2)];
  if (!k || !kb || *k != *kb) return nullptr;
  ExprPool& pool = el.pool();
  const std::string r = el.ReduceVar(&n, *k);
  const auto operand_index = [&](const Value* v, bool left) -> std::optional<Index> {
    Index at;
    const size_t rank = v->type.shape.size();
    for (size_t i = 0; i + 2 < rank; ++i) {
      const size_t o = index.size() - rank + i;
      const ir::Dim& d = v->type.shape[i];
      if (!d || (*d != Poly(1) && out->type.shape[o] != d)) return std::nullopt;
      at.push_back(*d == Poly(1) ? Poly(0) : index[o]);
    }
    at.push_back(left ? index[index.size() - 2] : Poly::Symbol(r));
    at.push_back(left ? Poly::Symbol(r) : index.back());
    return at;
  };
  const auto ia = operand_index(a, true), ib = operand_index(b, false);
  if (!ia || !ib) return nullptr;
  return pool.Reduce(Op::kSum, r, *k, pool.Binary(Op::kMul, el.At(a, *ia), el.At(b, *ib)));
}

// Sum, mean and max over constant axes (ONNX ReduceX, axes as an input).
template <Op kOp>
E ReduceRule(Elements& el, const Node& n, int, const Index& index) {
  const Value* x = n.input(0);
  if (!x->type.ranked) return nullptr;
  const int64_t rank = x->type.rank();
  std::vector<int64_t> axes;
  if (n.input(1)) {
    const auto known = el.values().FindConst(n.input(1));
    if (!known) return nullptr;
    axes = *known;
  }
  if (axes.empty() && n.Int("noop_with_empty_axes", 0)) return el.At(x, index);
  if (axes.empty() && rank == 1) axes = {0};
  if (axes.size() != 1) return nullptr;  // several axes at once: no transformer needs it
  const int64_t axis = axes[0] < 0 ? axes[0] + rank : axes[0];
  if (axis < 0 || axis >= rank || !x->type.shape[static_cast<size_t>(axis)]) return nullptr;
  const Poly extent = *x->type.shape[static_cast<size_t>(axis)];
  const std::string r = el.ReduceVar(&n, extent);
  Index at;
  const bool keep = n.Int("keepdims", 1) != 0;
  for (int64_t i = 0, o = 0; i < rank; ++i) {
    if (i == axis) {
      at.push_back(Poly::Symbol(r));
      o += keep;
    } else {
      at.push_back(index[static_cast<size_t>(o++)]);
    }
  }
  const E body = el.At(x, at);
  const E e = el.pool().Reduce(kOp, r, extent, body);
  return IsIntType(x) ? el.pool().Int(el.pool().AsPoly(e)) : e;
}

// Running sum of what does not change along the axis: c * (i + 1).
E CumSumRule(Elements& el, const Node& n, int, const Index& index) {
  const auto axis_known = el.values().FindConst(n.input(1));
  const Value* x = n.input(0);
  if (!axis_known || axis_known->size() != 1 || !x->type.ranked || n.Int("exclusive", 0) || n.Int("reverse", 0)) return nullptr;
  const size_t axis = static_cast<size_t>((*axis_known)[0] < 0 ? (*axis_known)[0] + x->type.rank() : (*axis_known)[0]);
  if (axis >= index.size() || !x->type.shape[axis]) return nullptr;
  Index at = index;
  const std::string r = el.ReduceVar(&n, *x->type.shape[axis]);
  at[axis] = Poly::Symbol(r);
  const E body = el.At(x, at);
  if (el.pool().Uses(body, r)) return nullptr;
  const Poly count = index[axis] + Poly(1);
  if (IsIntType(x)) return el.pool().Int(el.pool().AsPoly(body) * count);
  return el.pool().Binary(Op::kMul, body, el.pool().ToFloat(el.pool().Int(count)));
}

// y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * w + b over the last axis, and
// its RMS form: written out, so that every spelling meets in one expression.
template <bool kCentered>
E NormRule(Elements& el, const Node& n, int out, const Index& index) {
  const Value* x = n.input(0);
  const int64_t axis = n.Int("axis", -1), rank = x->type.ranked ? x->type.rank() : 0;
  if (out != 0 || rank < 1 || (axis != -1 && axis != rank - 1) || !x->type.shape.back()) return nullptr;
  ExprPool& pool = el.pool();
  const Poly extent = *x->type.shape.back();
  const std::string r = el.ReduceVar(&n, extent);
  Index at_r = index;
  at_r.back() = Poly::Symbol(r);
  E here = el.At(x, index), there = el.At(x, at_r);
  if (kCentered) {
    const std::string q = el.ReduceVar(&n, extent, 1);
    Index at_q = index;
    at_q.back() = Poly::Symbol(q);
    const E mean = pool.Reduce(Op::kMean, q, extent, el.At(x, at_q));
    here = pool.Sub(here, mean), there = pool.Sub(there, mean);
  }
  const E variance = pool.Reduce(Op::kMean, r, extent, pool.Unary(Op::kSquare, there));
  E y = pool.Binary(Op::kDiv, here, pool.Unary(Op::kSqrt, pool.Binary(Op::kAdd, variance, pool.Const(n.Float("epsilon", 1e-5)))));
  for (size_t i = 1; i <= 2; ++i)
    if (n.input(i)) {
      const auto at = el.Broadcast(n.input(i), n.output(), index);
      if (!at) return nullptr;
      y = pool.Binary(i == 1 ? Op::kMul : Op::kAdd, y, el.At(n.input(i), *at));
    }
  return y;
}

struct Row {
  std::string_view op;
  ElementRule rule;
};

constexpr Row kRules[] = {
    {"mat_mul", MatMulRule}, {"reduce_sum", ReduceRule<Op::kSum>}, {"reduce_mean", ReduceRule<Op::kMean>},
    {"reduce_max", ReduceRule<Op::kReduceMax>}, {"cum_sum", CumSumRule},
    {"layer_normalization", NormRule<true>}, {"rms_normalization", NormRule<false>},
};

}  // namespace

ElementRule FindReduceRule(std::string_view op) {
  for (const Row& row : kRules)
    if (row.op == op) return row.rule;
  return nullptr;
}

}  // namespace hasten::recognize
