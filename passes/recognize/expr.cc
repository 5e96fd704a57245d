#include "passes/recognize/expr.h"

#include <cmath>
#include <set>

namespace hasten::recognize {
namespace {

using ir::Poly;

double Apply(Op op, double a) {
  switch (op) {
    case Op::kNeg: return -a;
    case Op::kSquare: return a * a;
    case Op::kSqrt: return std::sqrt(a);
    case Op::kReciprocal: return 1.0 / a;
    case Op::kExp: return std::exp(a);
    case Op::kLog: return std::log(a);
    case Op::kAbs: return std::fabs(a);
    case Op::kErf: return std::erf(a);
    case Op::kTanh: return std::tanh(a);
    case Op::kSigmoid: return 1.0 / (1.0 + std::exp(-a));
    case Op::kRelu: return a > 0 ? a : 0;
    case Op::kGelu: return 0.5 * a * (1.0 + std::erf(a / std::sqrt(2.0)));
    case Op::kGeluTanh: return 0.5 * a * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (a + 0.044715 * a * a * a)));
    case Op::kSoftplus: return a > 30 ? a : std::log1p(std::exp(a));
    case Op::kCos: return std::cos(a);
    case Op::kSin: return std::sin(a);
    case Op::kFloor: return std::floor(a);
    default: return a;
  }
}

double Apply(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd: return a + b;
    case Op::kMul: return a * b;
    case Op::kDiv: return a / b;
    case Op::kPow: return std::pow(a, b);
    case Op::kMax: return a > b ? a : b;
    case Op::kMin: return a < b ? a : b;
    default: return 0;
  }
}

// A tree of selects whose leaves are constants: what masks are made of.
bool IsConstTree(E e, int depth = 4) {
  if (e->kind == Kind::kConst) return true;
  return e->kind == Kind::kSelect && depth > 0 && IsConstTree(e->args[1], depth - 1) && IsConstTree(e->args[2], depth - 1);
}

bool IsConst(E e, double c) { return e->kind == Kind::kConst && e->c == c; }
bool IsBool(E e) { return e->kind >= Kind::kGe0; }

}  // namespace

double ApplyUnary(Op op, double a) { return Apply(op, a); }
double ApplyBinary(Op op, double a, double b) { return Apply(op, a, b); }

E ExprPool::Intern(Expr e) {
  std::string key = StrCat(int(e.kind), ",", int(e.op), ",", e.poly.ToString(), ";", e.poly2.ToString(), ";", e.var);
  if (e.kind == Kind::kConst) key += StrCat("=", e.c);
  if (e.value) key += StrCat("@", reinterpret_cast<uintptr_t>(e.value));
  for (const Poly& p : e.index) key += "|" + p.ToString();
  for (E a : e.args) key += StrCat("^", a->id);
  const auto it = interned_.find(key);
  if (it != interned_.end()) return it->second;
  e.id = static_cast<int>(exprs_.size());
  e.origin = origin_;
  exprs_.push_back(std::move(e));
  return interned_[key] = &exprs_.back();
}

Poly ExprPool::Var(std::string_view name, const Poly& extent) {
  std::string full = StrCat("$", name, "<", extent.ToString());
  extents_.try_emplace(full, extent);
  return Poly::Symbol(std::move(full));
}

const Poly* ExprPool::Extent(std::string_view var) const {
  const auto it = extents_.find(var);
  return it == extents_.end() ? nullptr : &it->second;
}

E ExprPool::Int(const Poly& p) { return Intern({.kind = Kind::kInt, .poly = p}); }
E ExprPool::Const(double c) { return Intern({.kind = Kind::kConst, .c = c}); }
E ExprPool::Bool(bool b) { return Intern({.kind = b ? Kind::kTrue : Kind::kFalse}); }
E ExprPool::Load(const ir::Value* v, std::vector<Poly> index) {
  return Intern({.kind = Kind::kLoad, .value = v, .index = std::move(index)});
}

E ExprPool::Atom(std::string_view symbol) const {
  if (symbol.empty() || symbol[0] != '#') return nullptr;
  size_t id = 0;
  for (char ch : symbol.substr(1)) id = id * 10 + static_cast<size_t>(ch - '0');
  return &exprs_[id];
}

Poly ExprPool::AsPoly(E e) {
  if (e->kind == Kind::kInt) return e->poly;
  if (e->kind == Kind::kConst && e->c == std::floor(e->c)) return Poly(static_cast<int64_t>(e->c));
  return Poly::Symbol(StrCat("#", e->id));
}

E ExprPool::ToFloat(E e) {
  if (e->kind == Kind::kInt) {
    if (const auto c = e->poly.AsConst()) return Const(static_cast<double>(*c));
    if (e->poly.terms().size() == 1)  // a lone atom: look inside a select of integers
      if (E atom = Atom(e->poly.terms().begin()->first[0]);
          atom && e->poly == AsPoly(atom) && atom->kind == Kind::kSelect)
        return Select(atom->args[0], ToFloat(atom->args[1]), ToFloat(atom->args[2]));
    return Intern({.kind = Kind::kUnary, .op = Op::kToFloat, .args = {e}});
  }
  if (IsBool(e)) return Select(e, Const(1), Const(0));
  return e;
}

E ExprPool::Unary(Op op, E a) {
  if (a->kind == Kind::kConst) return Const(Apply(op, a->c));
  if (op == Op::kNeg && a->kind == Kind::kUnary && a->op == Op::kNeg) return a->args[0];
  if (op == Op::kReciprocal && a->kind == Kind::kUnary && a->op == Op::kReciprocal) return a->args[0];
  // Over a select of constants, so that masks stay selects of constants.
  if (a->kind == Kind::kSelect && IsConstTree(a))
    return Select(a->args[0], Unary(op, a->args[1]), Unary(op, a->args[2]));
  return Intern({.kind = Kind::kUnary, .op = op, .args = {a}});
}

E ExprPool::Binary(Op op, E a, E b) {
  if (a->kind == Kind::kConst && b->kind == Kind::kConst) return Const(Apply(op, a->c, b->c));
  if ((a->kind == Kind::kSelect || b->kind == Kind::kSelect) && IsConstTree(a) && IsConstTree(b)) {
    const E cond = (a->kind == Kind::kSelect ? a : b)->args[0];
    const auto side = [&](E e, size_t i) { return e->kind == Kind::kSelect && e->args[0] == cond ? e->args[i] : e; };
    return Select(cond, Binary(op, side(a, 1), side(b, 1)), Binary(op, side(a, 2), side(b, 2)));
  }
  switch (op) {
    case Op::kAdd:
      if (IsConst(a, 0)) return b;
      if (IsConst(b, 0)) return a;
      if (b->kind == Kind::kUnary && b->op == Op::kNeg && b->args[0] == a) return Const(0);
      break;
    case Op::kMul:
      if (IsConst(a, 1)) return b;
      if (IsConst(b, 1)) return a;
      if (IsConst(a, -1)) return Unary(Op::kNeg, b);
      if (IsConst(b, -1)) return Unary(Op::kNeg, a);
      if (a == b) return Unary(Op::kSquare, a);
      break;
    case Op::kDiv:
      if (IsConst(b, 1)) return a;
      if (IsConst(a, 1)) return Unary(Op::kReciprocal, b);
      break;
    case Op::kPow:
      if (IsConst(b, 1)) return a;
      if (IsConst(b, 2)) return Unary(Op::kSquare, a);
      if (IsConst(b, 0.5)) return Unary(Op::kSqrt, a);
      if (IsConst(b, -0.5)) return Unary(Op::kReciprocal, Unary(Op::kSqrt, a));
      break;
    default: break;
  }
  const bool commutes = op == Op::kAdd || op == Op::kMul || op == Op::kMax || op == Op::kMin;
  if (commutes && a->id > b->id) std::swap(a, b);
  return Intern({.kind = Kind::kBinary, .op = op, .args = {a, b}});
}

E ExprPool::Select(E cond, E a, E b) {
  if (cond->kind == Kind::kTrue || a == b) return a;
  if (cond->kind == Kind::kFalse) return b;
  if (cond->kind == Kind::kNot) return Select(cond->args[0], b, a);
  if (IsBool(a) && IsBool(b)) return Or(And(cond, a), And(Not(cond), b));
  if (a->kind == Kind::kSelect && a->args[0] == cond) a = a->args[1];
  if (b->kind == Kind::kSelect && b->args[0] == cond) b = b->args[2];
  if (a == b) return a;
  // The condition holds for v = 0 alone, and there both sides agree: take the general one.
  if (cond->kind == Kind::kGe0 && cond->poly.terms().size() == 1 && cond->poly.terms().begin()->second == -1) {
    const std::string v = cond->poly.terms().begin()->first[0];
    if (cond->poly.terms().begin()->first.size() == 1 && Extent(v) && Replace(a, {{v, Poly(0)}}) == Replace(b, {{v, Poly(0)}})) return b;
  }
  return Intern({.kind = Kind::kSelect, .args = {cond, a, b}});
}

E ExprPool::Reduce(Op op, const std::string& var, const Poly& extent, E body) {
  if (!Uses(body, var)) {  // the same summand each time
    if (op != Op::kSum) return body;
    if (body->kind == Kind::kInt) return Int(body->poly * extent);
    if (const auto n = extent.AsConst()) return Binary(Op::kMul, body, Const(static_cast<double>(*n)));
    return Binary(Op::kMul, body, ToFloat(Int(extent)));
  }
  if (extent == Poly(1)) return Replace(body, {{var, Poly(0)}});
  return Intern({.kind = Kind::kReduce, .op = op, .poly = extent, .var = var, .args = {body}});
}

// |x| as a select of integers: x.
std::optional<Poly> ExprPool::AbsoluteOf(E e) {
  if (e->kind != Kind::kSelect || e->args[0]->kind != Kind::kGe0) return std::nullopt;
  const Poly x = e->args[0]->poly;
  if (AsPoly(e->args[1]) != x || AsPoly(e->args[2]) != Poly(0) - x) return std::nullopt;
  return x;
}

E ExprPool::Ge0(const Poly& p) {
  if (ProveNonNegative(p)) return Bool(true);
  if (ProveNonNegative(Poly(-1) - p)) return Bool(false);
  for (const std::string& s : p.Symbols())  // a select of integers inside: compare each side
    if (E atom = Atom(s); atom && atom->kind == Kind::kSelect) {
      // r - |x| >= 0 where r - x and r + x are, r + |x| >= 0 where one of them is.
      const auto x = AbsoluteOf(atom);
      const Poly sign = x ? p - p.Substitute(s, Poly(0)) : Poly(0);
      const auto side = [&](const Poly& value) { return Ge0(p.Substitute(s, value)); };
      if (x && sign == Poly(0) - Poly::Symbol(s)) return And(side(*x), side(Poly(0) - *x));
      if (x && sign == Poly::Symbol(s)) return Or(side(*x), side(Poly(0) - *x));
      return Select(atom->args[0], Ge0(p.Substitute(s, AsPoly(atom->args[1]))), Ge0(p.Substitute(s, AsPoly(atom->args[2]))));
    }
  return Intern({.kind = Kind::kGe0, .poly = p});
}

E ExprPool::Eq0(const Poly& p) {
  if (const auto c = p.AsConst()) return Bool(*c == 0);
  if (ProveNonNegative(p - Poly(1)) || ProveNonNegative(Poly(-1) - p)) return Bool(false);
  for (const std::string& s : p.Symbols())
    if (E atom = Atom(s); atom && atom->kind == Kind::kSelect)
      return Select(atom->args[0], Eq0(p.Substitute(s, AsPoly(atom->args[1]))), Eq0(p.Substitute(s, AsPoly(atom->args[2]))));
  const Poly negated = Poly(0) - p;
  return Intern({.kind = Kind::kEq0, .poly = p < negated ? p : negated});
}

E ExprPool::And(E a, E b) {
  if (a->kind == Kind::kTrue || a == b) return b;
  if (b->kind == Kind::kTrue) return a;
  if (a->kind == Kind::kFalse || b->kind == Kind::kFalse) return Bool(false);
  if (a->kind == Kind::kGe0 && b->kind == Kind::kGe0) {  // the narrower one implies the wider
    if (ProveNonNegative(a->poly - b->poly)) return b;
    if (ProveNonNegative(b->poly - a->poly)) return a;
  }
  if (a->id > b->id) std::swap(a, b);
  return Intern({.kind = Kind::kAnd, .args = {a, b}});
}

E ExprPool::Or(E a, E b) {
  if (a->kind == Kind::kFalse || a == b) return b;
  if (b->kind == Kind::kFalse) return a;
  if (a->kind == Kind::kTrue || b->kind == Kind::kTrue) return Bool(true);
  if (a->kind == Kind::kGe0 && b->kind == Kind::kGe0) {
    if (ProveNonNegative(a->poly - b->poly)) return a;
    if (ProveNonNegative(b->poly - a->poly)) return b;
  }
  for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)})  // x or (not x and z)
    for (size_t i : {size_t{0}, size_t{1}})
      if (y->kind == Kind::kAnd && y->args[i] == Not(x)) return Or(x, y->args[1 - i]);
  if (a->id > b->id) std::swap(a, b);
  return Intern({.kind = Kind::kOr, .args = {a, b}});
}

E ExprPool::Not(E a) {
  switch (a->kind) {
    case Kind::kTrue: return Bool(false);
    case Kind::kFalse: return Bool(true);
    case Kind::kNot: return a->args[0];
    case Kind::kGe0: return Ge0(Poly(-1) - a->poly);
    case Kind::kAnd: return Or(Not(a->args[0]), Not(a->args[1]));
    case Kind::kOr: return And(Not(a->args[0]), Not(a->args[1]));
    default: return Intern({.kind = Kind::kNot, .args = {a}});
  }
}

E ExprPool::IsNan(E a) {
  if (a->kind == Kind::kConst) return Bool(std::isnan(a->c));
  if (a->kind == Kind::kInt) return Bool(false);
  return Intern({.kind = Kind::kIsNan, .args = {a}});
}

std::pair<Poly, Poly> ExprPool::DivMod(const Poly& a, const Poly& d) {
  if (d == Poly(1)) return {a, Poly(0)};
  Poly quotient, rest;
  for (const auto& [m, c] : a.terms()) {
    Poly term(c);
    for (const std::string& s : m) term = term * Poly::Symbol(s);
    if (const auto q = Poly::DivideExact(term, d)) quotient = quotient + *q;
    else rest = rest + term;
  }
  // Symbols of a sum such as P + S divide together.
  if (rest == d) return {quotient + Poly(1), Poly(0)};
  if (ProveNonNegative(rest) && ProveNonNegative(d - Poly(1) - rest)) return {quotient, rest};
  const E div = Intern({.kind = Kind::kDiv, .poly = rest, .poly2 = d});
  const E mod = Intern({.kind = Kind::kMod, .poly = rest, .poly2 = d});
  return {quotient + AsPoly(div), AsPoly(mod)};
}

}  // namespace hasten::recognize
