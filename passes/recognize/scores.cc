// Reading attention scores: scale, soft cap and mask, and the proof of what the mask shows.
#include <algorithm>
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

// Takes a sum of scaled dot product, masks and biases apart.
class ScoreReader {
 public:
  ScoreReader(ExprPool& pool, Scores& out) : pool_(pool), out_(out) { out_.visible = pool.Bool(true); }

  // Everything that factor * e adds.
  void Read(E e, double factor) {
    if (const E v = Visible(e, factor)) {
      out_.visible = pool_.And(out_.visible, v);
    } else if (e->kind == Kind::kSelect) {
      ReadSelect(e, factor);
    } else if (e->kind == Kind::kBinary && e->op == Op::kAdd) {
      Read(e->args[0], factor), Read(e->args[1], factor);
    } else if (e->kind == Kind::kUnary && e->op == Op::kNeg) {
      Read(e->args[0], -factor);
    } else {
      ReadProduct(e, factor);
    }
  }

  E product() const { return product_; }       // the dot product, or its tanh
  double factor() const { return factor_; }
  bool several() const { return several_; }

 private:
  // Where a mask of zeros and very negative constants lets a key be seen; null when e is no mask.
  E Visible(E e, double factor) {
    if (e->kind == Kind::kConst) {
      if (e->c == 0) return pool_.Bool(true);
      if (!(e->c * factor <= kHidden)) return nullptr;
      out_.hidden = std::max(out_.hidden, e->c * factor);
      return pool_.Bool(false);
    }
    if (e->kind == Kind::kSelect) {
      const E a = Visible(e->args[1], factor), b = Visible(e->args[2], factor);
      return a && b ? pool_.Select(e->args[0], a, b) : nullptr;
    }
    if (e->kind == Kind::kBinary && (e->op == Op::kAdd || (e->op == Op::kMin && factor > 0))) {
      const E a = Visible(e->args[0], factor), b = Visible(e->args[1], factor);
      return a && b ? pool_.And(a, b) : nullptr;
    }
    return nullptr;
  }

  // One side hides the key; the other one is what is added where it is seen.
  void ReadSelect(E e, double factor) {
    for (size_t side : {size_t{1}, size_t{2}}) {
      const E hidden = Visible(e->args[side], factor);
      if (!hidden || hidden->kind != Kind::kFalse) continue;
      out_.visible = pool_.And(out_.visible, side == 2 ? e->args[0] : pool_.Not(e->args[0]));
      Read(e->args[3 - side], factor);
      return;
    }
    out_.bias.push_back({e, factor});
  }

  // Constants times a dot product, its tanh, another sum, or a bias.
  void ReadProduct(E e, double factor) {
    E inner = nullptr;
    double scaled = factor;
    for (const auto& [f, below] : Factors(e)) {
      if (f->kind == Kind::kConst) scaled = below ? scaled / f->c : scaled * f->c;
      else if (!inner && !below) inner = f;
      else { out_.bias.push_back({e, factor}); return; }
    }
    const bool sum = inner && inner->kind == Kind::kReduce && inner->op == Op::kSum;
    if (sum || (inner && inner->kind == Kind::kUnary && inner->op == Op::kTanh)) {
      several_ = several_ || product_;
      product_ = inner, factor_ = scaled;
    } else if (inner && inner != e) {
      Read(inner, scaled);
    } else {
      out_.bias.push_back({e, factor});
    }
  }

  ExprPool& pool_;
  Scores& out_;
  E product_ = nullptr;
  double factor_ = 1;
  bool several_ = false;
};

bool UsesPoly(const ExprPool& pool, E e, const Poly& var) {
  for (const std::string& s : var.Symbols())
    if (pool.Uses(e, s)) return true;
  return false;
}

}  // namespace

std::optional<Scores> ParseScores(ExprPool& pool, E e, const Poly& q, const Poly& k, std::string* why) {
  Scores out;
  ScoreReader reader(pool, out);
  reader.Read(e, 1);
  E sum = reader.product();
  double outer = reader.factor();
  if (reader.several()) { *why = "the scores are more than one scaled dot product"; return std::nullopt; }
  // cap * tanh(inner / cap).
  if (sum && sum->kind == Kind::kUnary) {
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
    if (in_q && in_k) { *why = StrCat("a factor of the dot product belongs to queries and keys at once: ", pool.ToString(f, 4)); return std::nullopt; }
    E& side = in_k ? out.key : out.query;  // what depends on neither (a norm's gain) may stand on either side
    side = pool.Binary(below ? Op::kDiv : Op::kMul, side, f);
  }
  out.scale = outer;
  return out;
}

std::optional<Mask> ProveMask(const ExprPool& pool, E visible, const Poly& past, const Poly& q, const Poly& k) {
  Mask mask;
  bool ok = true;
  const auto narrow = [](int64_t& limit, int64_t to) { limit = limit ? std::min(limit, to) : to; };
  const std::function<void(E)> conjuncts = [&](E e) {
    if (e->kind == Kind::kAnd) {
      conjuncts(e->args[0]), conjuncts(e->args[1]);
    } else if (e->kind == Kind::kGe0) {
      const Poly ahead = past + q - k;   // >= 0: the key is not later than the query
      const auto c = (e->poly - ahead).AsConst(), w = (e->poly + ahead).AsConst();
      if (c && *c == 0) mask.causal = true;
      else if (c && *c > 0) narrow(mask.ahead, *c + 1);     // past + q + c - k >= 0
      else if (w && *w >= 0) narrow(mask.window, *w + 1);   // k - q - past + w >= 0
      else ok = false;
    } else if (e->kind != Kind::kTrue) {
      ok = false;
    }
  };
  conjuncts(visible);
  (void)pool;
  if (!ok) return std::nullopt;
  if (mask.causal) mask.ahead = 0;   // implied
  return mask;
}

}  // namespace hasten::recognize
