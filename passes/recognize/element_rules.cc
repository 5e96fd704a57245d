// Element rules of arithmetic, comparison and contraction ops. The rules of ops
// that only move elements are in element_view_rules.cc. Semantics: ONNX opset 24.
#include "passes/recognize/element.h"
#include "passes/recognize/element_view_rules.h"

namespace hasten::recognize {
namespace {

using ir::Node;
using ir::Poly;
using ir::Value;
using Index = std::vector<Poly>;

E Operand(Elements& el, const Node& node, size_t i, const Value* out, const Index& index) {
  const auto at = el.Broadcast(node.input(i), out, index);
  return at ? el.At(node.input(i), *at) : nullptr;
}

bool IsIntType(const Value* v) { return !IsFloat(v->type.dtype) && v->type.dtype != DType::kBool; }

}  // namespace

std::optional<Poly> WholeNumber(ExprPool& pool, E e) {
  if (e->kind == Kind::kConst && e->c == static_cast<double>(static_cast<int64_t>(e->c))) return Poly(static_cast<int64_t>(e->c));
  if (e->kind == Kind::kUnary && e->op == Op::kToFloat) return pool.AsPoly(e->args[0]);
  if (e->kind == Kind::kUnary && e->op == Op::kNeg) {
    const auto a = WholeNumber(pool, e->args[0]);
    return a ? std::optional<Poly>(Poly(0) - *a) : std::nullopt;
  }
  if (e->kind != Kind::kBinary || (e->op != Op::kAdd && e->op != Op::kMul)) return std::nullopt;
  const auto a = WholeNumber(pool, e->args[0]), b = WholeNumber(pool, e->args[1]);
  if (!a || !b) return std::nullopt;
  return e->op == Op::kAdd ? *a + *b : *a * *b;
}

namespace {

// Integer arithmetic stays polynomial; float arithmetic is an expression.
template <Op kOp, bool kSubtract = false>
E Arithmetic(Elements& el, const Node& node, int out, const Index& index) {
  const Value* result = node.output(static_cast<size_t>(out));
  E a = Operand(el, node, 0, result, index), b = Operand(el, node, 1, result, index);
  if (!a || !b) return nullptr;
  ExprPool& pool = el.pool();
  if (IsIntType(result)) {
    const Poly x = pool.AsPoly(a), y = pool.AsPoly(b);
    switch (kOp) {
      case Op::kAdd: return pool.Int(kSubtract ? x - y : x + y);
      case Op::kMul: return pool.Int(x * y);
      case Op::kDiv: return pool.ProveNonNegative(x) && pool.ProveNonNegative(y - Poly(1)) ? pool.Int(pool.DivMod(x, y).first) : nullptr;
      case Op::kMax: return pool.ProveNonNegative(x - y) ? a : pool.ProveNonNegative(y - x) ? b : nullptr;
      case Op::kMin: return pool.ProveNonNegative(x - y) ? b : pool.ProveNonNegative(y - x) ? a : nullptr;
      default: return nullptr;
    }
  }
  a = pool.ToFloat(a), b = pool.ToFloat(b);
  return kSubtract ? pool.Sub(a, b) : pool.Binary(kOp, a, b);
}

template <Op kOp>
E UnaryRule(Elements& el, const Node& node, int, const Index& index) {
  const E a = el.At(node.input(0), index);
  ExprPool& pool = el.pool();
  if (IsIntType(node.output())) {
    const Poly x = pool.AsPoly(a);
    if (kOp == Op::kNeg) return pool.Int(Poly(0) - x);
    if (kOp == Op::kAbs) return pool.Int(pool.AsPoly(pool.Select(pool.Ge0(x), pool.Int(x), pool.Int(Poly(0) - x))));
    return nullptr;
  }
  return pool.Unary(kOp, pool.ToFloat(a));
}

E GeluRule(Elements& el, const Node& node, int, const Index& index) {
  return el.pool().Unary(node.Str("approximate", "none") == "tanh" ? Op::kGeluTanh : Op::kGelu, el.At(node.input(0), index));
}

enum class Cmp { kLess, kLessEq, kGreater, kGreaterEq, kEqual };

// A tree of constants compared leaf by leaf; null when e is none.
template <Cmp kCmp>
E CompareLeaves(ExprPool& pool, E e, double c) {
  if (e->kind == Kind::kConst) {
    switch (kCmp) {
      case Cmp::kLess: return pool.Bool(e->c < c);
      case Cmp::kLessEq: return pool.Bool(e->c <= c);
      case Cmp::kGreater: return pool.Bool(e->c > c);
      case Cmp::kGreaterEq: return pool.Bool(e->c >= c);
      case Cmp::kEqual: return pool.Bool(e->c == c);
    }
  }
  if (e->kind != Kind::kSelect) return nullptr;
  const E a = CompareLeaves<kCmp>(pool, e->args[1], c), b = CompareLeaves<kCmp>(pool, e->args[2], c);
  return a && b ? pool.Select(e->args[0], a, b) : nullptr;
}

template <Cmp kCmp>
E Compare(Elements& el, const Node& node, int, const Index& index) {
  const E a = Operand(el, node, 0, node.output(), index), b = Operand(el, node, 1, node.output(), index);
  if (!a || !b) return nullptr;
  ExprPool& pool = el.pool();
  const bool bools = node.input(0)->type.dtype == DType::kBool;
  if (bools) return kCmp == Cmp::kEqual ? pool.Or(pool.And(a, b), pool.And(pool.Not(a), pool.Not(b))) : nullptr;
  if (!IsIntType(node.input(0))) {
    // Floats that hold integers (positions as fp32), or a mask of constants.
    if (b->kind == Kind::kConst && a->kind == Kind::kSelect) {
      const E mapped = CompareLeaves<kCmp>(pool, a, b->c);
      if (mapped) return mapped;
    }
  }
  const bool floats = !IsIntType(node.input(0));
  const auto wx = floats ? WholeNumber(pool, a) : std::optional<Poly>(pool.AsPoly(a));
  const auto wy = floats ? WholeNumber(pool, b) : std::optional<Poly>(pool.AsPoly(b));
  if (!wx || !wy) return nullptr;
  const Poly x = *wx, y = *wy;
  switch (kCmp) {
    case Cmp::kLess: return pool.Ge0(y - x - Poly(1));
    case Cmp::kLessEq: return pool.Ge0(y - x);
    case Cmp::kGreater: return pool.Ge0(x - y - Poly(1));
    case Cmp::kGreaterEq: return pool.Ge0(x - y);
    case Cmp::kEqual: return pool.Eq0(x - y);
  }
  return nullptr;
}

E AndRule(Elements& el, const Node& n, int, const Index& index) {
  const E a = Operand(el, n, 0, n.output(), index), b = Operand(el, n, 1, n.output(), index);
  return a && b ? el.pool().And(a, b) : nullptr;
}
E OrRule(Elements& el, const Node& n, int, const Index& index) {
  const E a = Operand(el, n, 0, n.output(), index), b = Operand(el, n, 1, n.output(), index);
  return a && b ? el.pool().Or(a, b) : nullptr;
}
E NotRule(Elements& el, const Node& n, int, const Index& index) { return el.pool().Not(el.At(n.input(0), index)); }
E IsNanRule(Elements& el, const Node& n, int, const Index& index) { return el.pool().IsNan(el.At(n.input(0), index)); }

E WhereRule(Elements& el, const Node& n, int, const Index& index) {
  const E c = Operand(el, n, 0, n.output(), index), a = Operand(el, n, 1, n.output(), index), b = Operand(el, n, 2, n.output(), index);
  if (!c || !a || !b) return nullptr;
  const E e = el.pool().Select(c, a, b);
  return IsIntType(n.output()) ? el.pool().Int(el.pool().AsPoly(e)) : e;
}

E CastRule(Elements& el, const Node& n, int, const Index& index) {
  ExprPool& pool = el.pool();
  const E a = el.At(n.input(0), index);
  const DType from = n.input(0)->type.dtype, to = n.output()->type.dtype;
  if (IsFloat(to)) return pool.ToFloat(a);
  if (to == DType::kBool) {
    if (from == DType::kBool) return a;
    if (IsIntType(n.input(0))) return pool.Not(pool.Eq0(pool.AsPoly(a)));
    const E zero = CompareLeaves<Cmp::kEqual>(pool, a, 0);
    return zero ? pool.Not(zero) : nullptr;
  }
  if (from == DType::kBool) return pool.Int(pool.AsPoly(pool.Select(a, pool.Int(Poly(1)), pool.Int(Poly(0)))));
  if (!IsFloat(from)) return a;
  if (a->kind == Kind::kConst) return pool.Int(Poly(static_cast<int64_t>(a->c)));
  const auto whole = WholeNumber(pool, a);
  return whole ? pool.Int(*whole) : nullptr;
}

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
    {"add", Arithmetic<Op::kAdd>}, {"sub", Arithmetic<Op::kAdd, true>}, {"mul", Arithmetic<Op::kMul>},
    {"div", Arithmetic<Op::kDiv>}, {"pow", Arithmetic<Op::kPow>}, {"max", Arithmetic<Op::kMax>}, {"min", Arithmetic<Op::kMin>},
    {"neg", UnaryRule<Op::kNeg>}, {"sqrt", UnaryRule<Op::kSqrt>}, {"reciprocal", UnaryRule<Op::kReciprocal>},
    {"exp", UnaryRule<Op::kExp>}, {"log", UnaryRule<Op::kLog>}, {"abs", UnaryRule<Op::kAbs>}, {"erf", UnaryRule<Op::kErf>},
    {"tanh", UnaryRule<Op::kTanh>}, {"sigmoid", UnaryRule<Op::kSigmoid>}, {"relu", UnaryRule<Op::kRelu>},
    {"softplus", UnaryRule<Op::kSoftplus>}, {"cos", UnaryRule<Op::kCos>}, {"sin", UnaryRule<Op::kSin>}, {"gelu", GeluRule},
    {"less", Compare<Cmp::kLess>}, {"less_or_equal", Compare<Cmp::kLessEq>}, {"greater", Compare<Cmp::kGreater>},
    {"greater_or_equal", Compare<Cmp::kGreaterEq>}, {"equal", Compare<Cmp::kEqual>},
    {"and", AndRule}, {"or", OrRule}, {"not", NotRule}, {"is_na_n", IsNanRule}, {"where", WhereRule}, {"cast", CastRule},
    {"mat_mul", MatMulRule}, {"reduce_sum", ReduceRule<Op::kSum>}, {"reduce_mean", ReduceRule<Op::kMean>},
    {"reduce_max", ReduceRule<Op::kReduceMax>}, {"cum_sum", CumSumRule},
    {"layer_normalization", NormRule<true>}, {"rms_normalization", NormRule<false>},
};

}  // namespace

ElementRule FindElementRule(std::string_view op) {
  for (const Row& row : kRules)
    if (row.op == op) return row.rule;
  return FindViewRule(op);
}

}  // namespace hasten::recognize
