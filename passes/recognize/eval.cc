// Numeric evaluation of small expressions: a candidate activation at a point, or
// a vector of weights at an index.
#include <cmath>

#include "passes/recognize/lower.h"

namespace hasten::recognize {

double ApplyUnary(Op op, double a);
double ApplyBinary(Op op, double a, double b);

namespace {

std::optional<int64_t> EvalPoly(const ExprPool& pool, const ir::Poly& p, const Env& env) {
  Env full = env;
  for (const std::string& s : p.Symbols())
    if (E atom = pool.Atom(s)) {
      const auto v = EvalConst(pool, atom, env);
      if (!v) return std::nullopt;
      full[s] = static_cast<int64_t>(*v);
    }
  return p.Eval(full);
}

}  // namespace

std::optional<double> EvalConst(const ExprPool& pool, E e, const Env& env) {
  const auto arg = [&](size_t i) { return EvalConst(pool, e->args[i], env); };
  switch (e->kind) {
    case Kind::kConst: return e->c;
    case Kind::kTrue: return 1;
    case Kind::kFalse: return 0;
    case Kind::kInt:
      if (const auto v = EvalPoly(pool, e->poly, env)) return static_cast<double>(*v);
      return std::nullopt;
    case Kind::kGe0: case Kind::kEq0: {
      const auto v = EvalPoly(pool, e->poly, env);
      if (!v) return std::nullopt;
      return e->kind == Kind::kGe0 ? *v >= 0 : *v == 0;
    }
    case Kind::kDiv: case Kind::kMod: {
      const auto a = EvalPoly(pool, e->poly, env), d = EvalPoly(pool, e->poly2, env);
      if (!a || !d || *d <= 0) return std::nullopt;
      const int64_t q = *a >= 0 ? *a / *d : -((-*a + *d - 1) / *d);
      return static_cast<double>(e->kind == Kind::kDiv ? q : *a - q * *d);
    }
    case Kind::kLoad: {
      if (!e->value->is_weight()) return std::nullopt;
      const ir::Tensor& t = e->value->weight();
      int64_t flat = 0;
      for (size_t i = 0; i < e->index.size(); ++i) {
        const int64_t dim = t.dim(static_cast<int64_t>(i));
        const auto v = EvalPoly(pool, e->index[i], env);
        if (!v || *v < 0 || *v >= dim) return std::nullopt;
        flat = flat * dim + *v;
      }
      return t.At(flat);
    }
    case Kind::kUnary: {
      const auto a = arg(0);
      return a ? std::optional<double>(ApplyUnary(e->op, *a)) : std::nullopt;
    }
    case Kind::kBinary: {
      const auto a = arg(0), b = arg(1);
      return a && b ? std::optional<double>(ApplyBinary(e->op, *a, *b)) : std::nullopt;
    }
    case Kind::kSelect: {
      const auto c = arg(0);
      return c ? arg(*c != 0 ? 1 : 2) : std::nullopt;
    }
    case Kind::kAnd: case Kind::kOr: {
      const auto a = arg(0), b = arg(1);
      if (!a || !b) return std::nullopt;
      return e->kind == Kind::kAnd ? (*a != 0 && *b != 0) : (*a != 0 || *b != 0);
    }
    case Kind::kNot: {
      const auto a = arg(0);
      return a ? std::optional<double>(*a == 0) : std::nullopt;
    }
    case Kind::kReduce: case Kind::kIsNan: return std::nullopt;
  }
  return std::nullopt;
}

std::optional<double> EvalWith(const ExprPool& pool, E e, E leaf, double x) {
  if (e == leaf) return x;
  if (e->kind == Kind::kConst) return e->c;
  if (e->kind == Kind::kUnary && e->op != Op::kToFloat) {
    const auto a = EvalWith(pool, e->args[0], leaf, x);
    return a ? std::optional<double>(ApplyUnary(e->op, *a)) : std::nullopt;
  }
  if (e->kind == Kind::kBinary) {
    const auto a = EvalWith(pool, e->args[0], leaf, x);
    const auto b = a ? EvalWith(pool, e->args[1], leaf, x) : std::nullopt;
    return a && b ? std::optional<double>(ApplyBinary(e->op, *a, *b)) : std::nullopt;
  }
  return std::nullopt;
}

std::vector<std::pair<E, bool>> Factors(E e) {
  std::vector<std::pair<E, bool>> out;
  const std::function<void(E, bool)> go = [&](E x, bool below) {
    if (x->kind == Kind::kBinary && x->op == Op::kMul) {
      go(x->args[0], below), go(x->args[1], below);
    } else if (x->kind == Kind::kBinary && x->op == Op::kDiv) {
      go(x->args[0], below), go(x->args[1], !below);
    } else if (x->kind == Kind::kUnary && x->op == Op::kReciprocal) {
      go(x->args[0], !below);
    } else {
      out.emplace_back(x, below);
    }
  };
  go(e, false);
  return out;
}

std::vector<E> Terms(E e) {
  if (e->kind != Kind::kBinary || e->op != Op::kAdd) return {e};
  std::vector<E> out = Terms(e->args[0]);
  for (E t : Terms(e->args[1])) out.push_back(t);
  return out;
}

}  // namespace hasten::recognize
