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
E Visible(ExprPool& pool, E e) {
  if (e->kind == Kind::kConst) return e->c == 0 ? pool.Bool(true) : e->c <= kHidden ? pool.Bool(false) : nullptr;
  if (e->kind == Kind::kSelect) {
    const E a = Visible(pool, e->args[1]), b = Visible(pool, e->args[2]);
    return a && b ? pool.Select(e->args[0], a, b) : nullptr;
  }
  if (e->kind == Kind::kBinary && (e->op == Op::kAdd || e->op == Op::kMin)) {
    const E a = Visible(pool, e->args[0]), b = Visible(pool, e->args[1]);
    return a && b ? pool.And(a, b) : nullptr;
  }
  return nullptr;
}

// Takes masks off: e = core where visible.
E StripMask(ExprPool& pool, E e, E* visible) {
  if (e->kind == Kind::kSelect) {
    const E a = Visible(pool, e->args[1]), b = Visible(pool, e->args[2]);
    if (b && b->kind == Kind::kFalse && !a) {
      *visible = pool.And(*visible, e->args[0]);
      return StripMask(pool, e->args[1], visible);
    }
    if (a && a->kind == Kind::kFalse && !b) {
      *visible = pool.And(*visible, pool.Not(e->args[0]));
      return StripMask(pool, e->args[2], visible);
    }
    return e;
  }
  if (e->kind != Kind::kBinary || e->op != Op::kAdd) return e;
  E core = nullptr;
  for (E t : Terms(e)) {
    if (const E v = Visible(pool, t)) *visible = pool.And(*visible, v);
    else if (core) return e;
    else core = t;
  }
  return core ? StripMask(pool, core, visible) : e;
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
  E core = StripMask(pool, e, &out.visible);
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
    if (below || in_q == in_k) { *why = StrCat("a factor of the dot product belongs to neither queries nor keys: ", pool.ToString(f, 4)); return std::nullopt; }
    E& side = in_q ? out.query : out.key;
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
