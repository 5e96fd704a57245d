// Questions about interned expressions: substitution, range proofs, traversal
// and the text that error messages show.
#include <set>

#include "passes/recognize/expr.h"

namespace hasten::recognize {

using ir::Poly;

Poly ExprPool::Replace(const Poly& p, const Subst& subst) {
  Poly out;
  for (const auto& [m, c] : p.terms()) {
    int64_t below = 1;
    for (const std::string& s : m)
      if (const auto it = subst.find(s); it != subst.end()) below *= it->second.below;
    if (c % below != 0) return Poly::Symbol("$indivisible");
    Poly term(c / below);
    for (const std::string& s : m) {
      const auto it = subst.find(s);
      if (it != subst.end()) term = term * it->second.poly;
      else if (E atom = Atom(s)) term = term * AsPoly(Replace(atom, subst));
      else term = term * Poly::Symbol(s);
    }
    out = out + term;
  }
  return out;
}

namespace {
bool Touches(const ExprPool& pool, E e, const ExprPool::Subst& subst) {
  for (const auto& [var, value] : subst)
    if (pool.Uses(e, var)) return true;
  return false;
}
}  // namespace

E ExprPool::Replace(E e, const Subst& subst) {
  std::map<E, E> done;
  const std::function<E(E)> go = [&](E x) -> E {
    if (const auto it = done.find(x); it != done.end()) return it->second;
    const ir::Node* saved = origin_;
    origin_ = x->origin;
    E r = x;
    switch (x->kind) {
      case Kind::kInt: r = Int(Replace(x->poly, subst)); break;
      case Kind::kConst: case Kind::kTrue: case Kind::kFalse: break;
      case Kind::kLoad: {
        std::vector<Poly> index;
        for (const Poly& p : x->index) index.push_back(Replace(p, subst));
        r = Load(x->value, std::move(index));
        break;
      }
      case Kind::kUnary: r = x->op == Op::kToFloat ? ToFloat(go(x->args[0])) : Unary(x->op, go(x->args[0])); break;
      case Kind::kBinary: r = Binary(x->op, go(x->args[0]), go(x->args[1])); break;
      case Kind::kSelect: {
        const E cond = go(x->args[0]);  // the side not taken may be out of its range: leave it alone
        if (cond->kind == Kind::kTrue) r = go(x->args[1]);
        else if (cond->kind == Kind::kFalse) r = go(x->args[2]);
        else r = Select(cond, go(x->args[1]), go(x->args[2]));
        break;
      }
      case Kind::kReduce: {
        if (!Touches(*this, x, subst)) break;
        Subst inner = subst;  // the reduction's own variable is another one of the same name
        const bool shadowed = inner.erase(x->var) != 0;
        r = Reduce(x->op, x->var, Replace(x->poly, subst), shadowed ? Replace(x->args[0], inner) : go(x->args[0]));
        break;
      }
      case Kind::kDiv: r = Int(DivMod(Replace(x->poly, subst), Replace(x->poly2, subst)).first); break;
      case Kind::kMod: r = Int(DivMod(Replace(x->poly, subst), Replace(x->poly2, subst)).second); break;
      case Kind::kGe0: r = Ge0(Replace(x->poly, subst)); break;
      case Kind::kEq0: r = Eq0(Replace(x->poly, subst)); break;
      case Kind::kAnd: r = And(go(x->args[0]), go(x->args[1])); break;
      case Kind::kOr: r = Or(go(x->args[0]), go(x->args[1])); break;
      case Kind::kNot: r = Not(go(x->args[0])); break;
      case Kind::kIsNan: r = IsNan(go(x->args[0])); break;
    }
    origin_ = saved;
    return done[x] = r;
  };
  return go(e);
}

void ExprPool::Visit(E e, const std::function<void(E)>& fn) const {
  std::set<E> seen;
  std::vector<E> stack = {e};
  const auto push_poly = [&](const Poly& p) {
    for (const auto& [m, c] : p.terms())
      for (const std::string& s : m)
        if (E atom = Atom(s)) stack.push_back(atom);
  };
  while (!stack.empty()) {
    const E x = stack.back();
    stack.pop_back();
    if (!seen.insert(x).second) continue;
    fn(x);
    push_poly(x->poly);
    push_poly(x->poly2);
    for (const Poly& p : x->index) push_poly(p);
    for (E a : x->args) stack.push_back(a);
  }
}

bool ExprPool::Uses(E e, std::string_view var) const {
  bool found = false;
  Visit(e, [&](E x) {
    if (found) return;
    found = x->poly.Uses(var) || x->poly2.Uses(var);
    for (const Poly& p : x->index) found = found || p.Uses(var);
  });
  return found;
}

bool ExprPool::ProveNonNegative(const Poly& p) const { return ProveImpl(p, 12); }

bool ExprPool::ProveImpl(const Poly& p, int depth) const {
  if (const auto c = p.AsConst()) return *c >= 0;
  if (depth == 0) return false;
  // Eliminate a variable or a bounded atom in which p is linear by its worst end.
  for (const std::string& s : p.Symbols()) {
    const Poly* extent = Extent(s);
    Poly atom_extent;
    bool bounded_above = extent != nullptr;
    if (!extent) {
      const E atom = Atom(s);
      if (!atom || (atom->kind != Kind::kMod && atom->kind != Kind::kDiv)) {
        if (atom) return false;  // nothing is known of its range
        continue;                // a model dimension
      }
      if (atom->kind == Kind::kMod) {
        atom_extent = atom->poly2;
        extent = &atom_extent;
        bounded_above = true;
      } else if (!ProveImpl(atom->poly, depth - 1)) {
        return false;
      }
    }
    const Poly at0 = p.Substitute(s, Poly(0)), at1 = p.Substitute(s, Poly(1)), at2 = p.Substitute(s, Poly(2));
    const Poly slope = at1 - at0;
    if (at2 - at1 != slope) return false;  // not linear
    if (ProveImpl(slope, depth - 1)) return ProveImpl(at0, depth - 1);
    if (bounded_above && ProveImpl(Poly(0) - slope, depth - 1)) return ProveImpl(at0 + slope * (*extent - Poly(1)), depth - 1);
    return false;
  }
  // Only model dimensions are left: B and S are at least 1, the others at least 0.
  Poly shifted = p;
  for (const char* one : {"B", "S"}) shifted = shifted.Substitute(one, Poly::Symbol(one) + Poly(1));
  for (const auto& [m, c] : shifted.terms())
    if (c < 0) return false;
  return true;
}

std::string ExprPool::ToString(E e, int depth) const {
  if (depth == 0) return "...";
  const auto arg = [&](size_t i) { return ToString(e->args[i], depth - 1); };
  static constexpr const char* kOps[] = {"?", "add", "mul", "div", "pow", "max", "min", "neg", "square", "sqrt",
      "reciprocal", "exp", "log", "abs", "erf", "tanh", "sigmoid", "relu", "gelu", "gelu_tanh", "softplus", "cos",
      "sin", "float", "floor", "sum", "mean", "max"};
  const auto poly = [&](const Poly& p) {
    std::string text = p.ToString();
    for (const std::string& s : p.Symbols())
      if (E atom = Atom(s)) {
        const std::string inner = ToString(atom, depth - 1);
        for (size_t at = 0; (at = text.find(s, at)) != std::string::npos; at += inner.size()) text.replace(at, s.size(), inner);
      }
    return text;
  };
  switch (e->kind) {
    case Kind::kInt: return poly(e->poly);
    case Kind::kConst: return StrCat(e->c);
    case Kind::kLoad: {
      std::string out = StrCat("%", e->value->name, "[");
      for (size_t i = 0; i < e->index.size(); ++i) out += (i ? ", " : "") + poly(e->index[i]);
      return out + "]";
    }
    case Kind::kUnary: return StrCat(kOps[int(e->op)], "(", arg(0), ")");
    case Kind::kBinary: return StrCat(kOps[int(e->op)], "(", arg(0), ", ", arg(1), ")");
    case Kind::kSelect: return StrCat("where(", arg(0), ", ", arg(1), ", ", arg(2), ")");
    case Kind::kReduce: return StrCat(kOps[int(e->op)], "_{", e->var, "}(", arg(0), ")");
    case Kind::kDiv: return StrCat("(", poly(e->poly), ")/(", poly(e->poly2), ")");
    case Kind::kMod: return StrCat("(", poly(e->poly), ")%(", poly(e->poly2), ")");
    case Kind::kGe0: return StrCat("(", poly(e->poly), " >= 0)");
    case Kind::kEq0: return StrCat("(", poly(e->poly), " == 0)");
    case Kind::kAnd: return StrCat("(", arg(0), " and ", arg(1), ")");
    case Kind::kOr: return StrCat("(", arg(0), " or ", arg(1), ")");
    case Kind::kNot: return StrCat("not ", arg(0));
    case Kind::kTrue: return "true";
    case Kind::kFalse: return "false";
    case Kind::kIsNan: return StrCat("isnan(", arg(0), ")");
  }
  return "?";
}

}  // namespace hasten::recognize
