// Element rules of arithmetic and comparison. Sums are in element_reduce_rules.cc,
// ops that only move elements in element_view_rules.cc. Semantics: ONNX opset 24.
#include <algorithm>

#include "passes/recognize/element_rules.h"

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

// Whether p == 0 asks if a token is padding, which no token of the runtime is.
bool IsPaddingTest(const Elements& el, const Poly& p) {
  const Roles& roles = el.roles();
  const auto symbols = p.Symbols();
  const E atom = symbols.size() == 1 ? el.pool().Atom(symbols[0]) : nullptr;
  if (!atom || atom->kind != Kind::kLoad || atom->value != roles.ids) return false;
  const Poly id = Poly::Symbol(symbols[0]);
  return std::any_of(roles.padding.begin(), roles.padding.end(), [&](int64_t c) { return p == id - Poly(c) || p == Poly(c) - id; });
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
    case Cmp::kEqual: return IsPaddingTest(el, x - y) ? pool.Bool(false) : pool.Eq0(x - y);
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

// max(low, min(high, x)) with constants, each optional.
E ClipRule(Elements& el, const Node& n, int, const Index& index) {
  if (IsIntType(n.output())) return nullptr;
  E e = el.At(n.input(0), index);
  for (const size_t i : {size_t{1}, size_t{2}})
    if (n.input(i)) {
      if (!n.input(i)->type.ranked) return nullptr;
      const E bound = el.At(n.input(i), Index(static_cast<size_t>(n.input(i)->type.rank()), Poly(0)));
      if (bound->kind != Kind::kConst) return nullptr;
      e = el.pool().Binary(i == 1 ? Op::kMax : Op::kMin, e, bound);
    }
  return e;
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
    {"clip", ClipRule},
};

}  // namespace

ElementRule FindElementRule(std::string_view op) {
  for (const Row& row : kRules)
    if (row.op == op) return row.rule;
  const ElementRule rule = FindReduceRule(op);
  return rule ? rule : FindViewRule(op);
}

}  // namespace hasten::recognize
