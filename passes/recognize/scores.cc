// Reading attention scores: scale, soft cap and mask, and the proof of what the mask shows.
#include <cmath>
#include <functional>
#include <vector>

#include "passes/recognize/attention.h"
#include "passes/recognize/lower.h"

namespace hasten::recognize {

using ir::Poly;

namespace {

// What exporters add to a hidden score: from -10000 (GPT-2) to -inf.
constexpr double kHidden = -1e4;

// Where a mask of zeros and very negative constants lets a key be seen; null when e is no mask.
// `scale` multiplies the scores later.
E Visible(ExprPool& pool, E e, double scale) {
  if (e->kind == Kind::kConst) return e->c == 0 ? pool.Bool(true) : e->c * scale <= kHidden ? pool.Bool(false) : nullptr;
  if (e->kind == Kind::kSelect) {
    const E a = Visible(pool, e->args[1], scale), b = Visible(pool, e->args[2], scale);
    return a && b ? pool.Select(e->args[0], a, b) : nullptr;
  }
  if (e->kind == Kind::kBinary && (e->op == Op::kAdd || e->op == Op::kMin)) {
    const E a = Visible(pool, e->args[0], scale), b = Visible(pool, e->args[1], scale);
    return a && b ? pool.And(a, b) : nullptr;
  }
  return nullptr;
}

// Takes masks off: scale * e = scale * core where visible.
E StripMask(ExprPool& pool, E e, double scale, E* visible) {
  if (e->kind == Kind::kSelect) {
    const E a = Visible(pool, e->args[1], scale), b = Visible(pool, e->args[2], scale);
    if (b && b->kind == Kind::kFalse && !a) {
      *visible = pool.And(*visible, e->args[0]);
      return StripMask(pool, e->args[1], scale, visible);
    }
    if (a && a->kind == Kind::kFalse && !b) {
      *visible = pool.And(*visible, pool.Not(e->args[0]));
      return StripMask(pool, e->args[2], scale, visible);
    }
    return e;
  }
  if (e->kind != Kind::kBinary) return e;
  if (e->op == Op::kMul || e->op == Op::kDiv) {  // masked first, scaled then (CodeGen)
    for (const size_t i : {size_t{1}, size_t{0}}) {
      const E c = e->args[i], rest = e->args[1 - i];
      if (c->kind != Kind::kConst || !(c->c > 0) || (e->op == Op::kDiv && i == 0)) continue;
      const E core = StripMask(pool, rest, e->op == Op::kMul ? scale * c->c : scale / c->c, visible);
      return pool.Binary(e->op, core, c);
    }
    return e;
  }
  if (e->op != Op::kAdd) return e;
  E core = nullptr, seen = pool.Bool(true);
  for (E t : Terms(e)) {
    if (const E v = Visible(pool, t, scale)) seen = pool.And(seen, v);
    else if (core) return e;
    else core = t;
  }
  if (!core) return e;
  *visible = pool.And(*visible, seen);
  return StripMask(pool, core, scale, visible);
}

bool UsesPoly(const ExprPool& pool, E e, const Poly& var) {
  for (const std::string& s : var.Symbols())
    if (pool.Uses(e, s)) return true;
  return false;
}

}  // namespace

std::optional<Scores> ParseScores(ExprPool& pool, E e, const Poly& q, const Poly& k, std::string* why) {
  Scores out;
  out.visible = pool.Bool(true);
  E core = StripMask(pool, e, 1, &out.visible);
  // Constant factors outside, and cap * tanh(inner / cap).
  E sum = nullptr;
  double outer = 1;
  for (const auto& [f, below] : Factors(core)) {
    if (f->kind == Kind::kConst) outer = below ? outer / f->c : outer * f->c;
    else if (!sum && !below) sum = f;
    else { *why = "the scores are more than one scaled dot product"; return std::nullopt; }
  }
  if (sum && sum->kind == Kind::kUnary && sum->op == Op::kTanh) {
    out.softcap = outer;
    outer = 1;
    E inner = nullptr;
    for (const auto& [f, below] : Factors(sum->args[0])) {
      if (f->kind == Kind::kConst) outer = below ? outer / f->c : outer * f->c;
      else if (!inner && !below) inner = f;
      else { *why = "the soft-capped scores are no scaled dot product"; return std::nullopt; }
    }
    // cap * tanh(scale * dot / cap): the inner factor carries 1 / cap.
    outer *= out.softcap;
    sum = inner;
  }
  if (!sum || sum->kind != Kind::kReduce || sum->op != Op::kSum) {
    *why = sum ? StrCat("needed a dot product of queries and keys, came ", pool.ToString(sum, 4)) : "the scores have no dot product";
    return std::nullopt;
  }
  out.var = sum->var;
  out.head_dim = sum->poly;
  out.query = out.key = pool.Const(1);
  for (const auto& [f, below] : Factors(sum->args[0])) {
    if (f->kind == Kind::kConst) { outer = below ? outer / f->c : outer * f->c; continue; }
    const bool in_q = UsesPoly(pool, f, q), in_k = UsesPoly(pool, f, k);
    if (below || (in_q && in_k)) { *why = StrCat("a factor of the dot product belongs to neither queries nor keys: ", pool.ToString(f, 4)); return std::nullopt; }
    E& side = in_k ? out.key : out.query;  // what depends on neither (a norm's gain) may stand on either side
    side = pool.Binary(Op::kMul, side, f);
  }
  out.scale = outer;
  return out;
}

std::optional<Mask> ProveMask(const ExprPool& pool, E visible, const Poly& past, const Poly& q, const Poly& k) {
  Mask mask;
  bool ok = true;
  const std::function<void(E)> conjuncts = [&](E e) {
    if (e->kind == Kind::kAnd) {
      conjuncts(e->args[0]), conjuncts(e->args[1]);
    } else if (e->kind == Kind::kGe0) {
      const Poly ahead = past + q - k;   // >= 0: the key is not later than the query
      const auto c = (e->poly - ahead).AsConst(), w = (e->poly + ahead).AsConst();
      if (c && *c == 0) mask.causal = true;
      else if (w && *w >= 0 && (mask.window == 0 || mask.window == *w + 1)) mask.window = *w + 1;   // k - q - past + w >= 0
      else ok = false;
    } else if (e->kind != Kind::kTrue) {
      ok = false;
    }
  };
  conjuncts(visible);
  (void)pool;
  if (!ok || (mask.window && !mask.causal)) return std::nullopt;
  return mask;
}

}  // namespace hasten::recognize
