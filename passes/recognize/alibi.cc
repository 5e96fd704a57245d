// Reading ALiBi (Press et al. 2022, "Train short, test long", section 3) from what
// is added to attention scores: slope[h] * k, slope[h] * (k - q), -slope[h] * |k - q|,
// computed from ranges or read from a stored table, whatever is added beside it that
// does not depend on k. Anything else is refused.
#include <cmath>

#include "passes/recognize/attention.h"
#include "passes/recognize/element.h"
#include "passes/recognize/lower.h"

namespace hasten::recognize {

using ir::Poly;

namespace {

// A constant that hides a key by less could be overtaken by a far key's bias.
constexpr double kSurelyHidden = -1e8;

// How one term depends on k: by a number for each head, times k or |distance|.
struct Dependence {
  std::vector<double> linear, absolute;
};

class AlibiReader {
 public:
  AlibiReader(ExprPool& pool, const BiasPlace& place) : pool_(pool), place_(place), total_{Zeros(), Zeros()} {}

  bool Add(const BiasTerm& term);
  const Dependence& total() const { return total_; }

 private:
  std::vector<double> Zeros() const { return std::vector<double>(static_cast<size_t>(place_.heads), 0.0); }
  Env At(int64_t head) const { return place_.h.IsConst() ? Env() : Env{{place_.h.Symbols()[0], head}}; }

  // The factors of e, signs taken into `sign`.
  void Flatten(E e, bool below, double& sign, std::vector<std::pair<E, bool>>& out) const {
    for (const auto& [f, under] : Factors(e)) {
      if (f->kind == Kind::kUnary && f->op == Op::kNeg) {
        sign = -sign;
        Flatten(f->args[0], below != under, sign, out);
      } else {
        out.emplace_back(f, below != under);
      }
    }
  }
  bool OnKey(E e) const { return pool_.Uses(e, place_.k.Symbols()[0]); }

  std::optional<Dependence> OfFactor(E f);
  std::optional<Dependence> OfWhole(const Poly& p) const;
  std::optional<Dependence> OfTable(E load) const;

  ExprPool& pool_;
  const BiasPlace& place_;
  Dependence total_;
};

// c * k and what does not depend on k.
std::optional<Dependence> AlibiReader::OfWhole(const Poly& p) const {
  const std::string k = place_.k.Symbols()[0];
  const auto slope = (p.Substitute(k, Poly(1)) - p.Substitute(k, Poly(0))).AsConst();
  if (!slope || p - p.Substitute(k, Poly(0)) != place_.k * Poly(*slope)) return std::nullopt;
  if (pool_.Uses(pool_.Int(p - place_.k * Poly(*slope)), k)) return std::nullopt;
  Dependence d{Zeros(), Zeros()};
  for (double& x : d.linear) x = static_cast<double>(*slope);
  return d;
}

// A step between neighbours such that the whole row is a straight line, up to the
// rounding with which an exporter stored it.
std::optional<double> StepOf(const ir::Tensor& t, int64_t first, int64_t stride, int64_t n) {
  const auto at = [&](int64_t i) { return t.At(first + i * stride); };
  if (n < 2) return std::nullopt;
  int64_t zero = 0;  // next to a zero the step is stored unrounded
  while (zero < n && at(zero) != 0) ++zero;
  const double step = zero == n ? (at(n - 1) - at(0)) / static_cast<double>(n - 1) : zero > 0 ? -at(zero - 1) : at(1);
  const double base = zero == n ? at(0) : -step * static_cast<double>(zero);
  const double most = std::max(std::fabs(at(0)), std::fabs(at(n - 1)));
  for (int64_t i = 0; i < n; ++i)
    if (!(std::fabs(at(i) - (base + step * static_cast<double>(i))) <= most * 0x1p-22)) return std::nullopt;
  return step;
}

// table[.., h, .., c + k]: for every head a straight line along the axis of k.
std::optional<Dependence> AlibiReader::OfTable(E load) const {
  if (!load->value->is_weight()) return std::nullopt;
  const ir::Tensor& t = load->value->weight();
  const std::string k = place_.k.Symbols()[0];
  Dependence d{Zeros(), Zeros()};
  for (int64_t head = 0; head < place_.heads; ++head) {
    int64_t first = 0, stride = 1, along = 0, length = 0;
    for (size_t axis = load->index.size(); axis-- > 0; stride *= t.dim(static_cast<int64_t>(axis))) {
      const Poly& p = load->index[axis];
      const int64_t dim = t.dim(static_cast<int64_t>(axis));
      if (p.Uses(k)) {
        if (length || (p - place_.k).Uses(k) || pool_.Uses(pool_.Int(p - place_.k), k)) return std::nullopt;
        along = stride, length = dim;
        continue;
      }
      const auto i = EvalConst(pool_, pool_.Int(p), At(head));
      if (!i || *i < 0 || *i >= static_cast<double>(dim)) return std::nullopt;
      first += static_cast<int64_t>(*i) * stride;
    }
    const auto step = length ? StepOf(t, first, along, length) : std::nullopt;
    if (!step) return std::nullopt;
    d.linear[static_cast<size_t>(head)] = *step;
  }
  return d;
}

std::optional<Dependence> AlibiReader::OfFactor(E f) {
  if (const auto whole = WholeNumber(pool_, f)) {
    // |x| of integers that became floats is a lone atom.
    const auto symbols = whole->Symbols();
    const E atom = symbols.size() == 1 ? pool_.Atom(symbols[0]) : nullptr;
    const auto x = atom && *whole == Poly::Symbol(symbols[0]) ? pool_.AbsoluteOf(atom) : std::nullopt;
    if (!x) return OfWhole(*whole);
    f = pool_.Unary(Op::kAbs, pool_.ToFloat(pool_.Int(*x)));
  }
  if (f->kind == Kind::kLoad) return OfTable(f);
  std::optional<Poly> x;  // |x|, of floats or as a select
  if (f->kind == Kind::kUnary && f->op == Op::kAbs) {
    x = WholeNumber(pool_, f->args[0]);
  } else if (f->kind == Kind::kSelect && f->args[0]->kind == Kind::kGe0) {
    const auto a = WholeNumber(pool_, f->args[1]), b = WholeNumber(pool_, f->args[2]);
    if (a && b && *a == f->args[0]->poly && *b == Poly(0) - *a) x = a;
  }
  if (!x || (*x != place_.distance && *x != Poly(0) - place_.distance)) return std::nullopt;
  Dependence d{Zeros(), Zeros()};
  for (double& a : d.absolute) a = 1;
  return d;
}

bool AlibiReader::Add(const BiasTerm& term) {
  double sign = term.factor;
  std::vector<std::pair<E, bool>> factors;
  Flatten(term.e, false, sign, factors);
  Dependence d;
  std::vector<double> scale = Zeros();
  for (double& s : scale) s = sign;
  for (const auto& [f, below] : factors) {
    if (OnKey(f)) {
      if (below || !d.linear.empty()) return false;
      const auto on_key = OfFactor(f);
      if (!on_key) return false;
      d = *on_key;
      continue;
    }
    if (WholeNumber(pool_, f) && f->kind != Kind::kConst) {  // a position of the query: only beside no key
      if (OnKey(term.e) || below) return false;
      continue;
    }
    for (int64_t head = 0; head < place_.heads; ++head) {
      const auto v = EvalConst(pool_, f, At(head));
      if (!v) return false;
      double& s = scale[static_cast<size_t>(head)];
      s = below ? s / *v : s * *v;
    }
  }
  for (double s : scale)
    if (!std::isfinite(s)) return false;
  for (size_t h = 0; h < scale.size() && !d.linear.empty(); ++h) {
    total_.linear[h] += scale[h] * d.linear[h];
    total_.absolute[h] += scale[h] * d.absolute[h];
  }
  return true;
}

}  // namespace

std::optional<std::vector<double>> ReadAlibi(ExprPool& pool, const Scores& scores, const BiasPlace& place, std::string* why) {
  AlibiReader reader(pool, place);
  for (const BiasTerm& term : scores.bias)
    if (!reader.Add(term)) {
      *why = StrCat("what is added to the scores is neither a mask nor ALiBi, slope of the head times the key's position: ",
                    pool.ToString(term.e, 6));
      return std::nullopt;
    }
  const Dependence& d = reader.total();
  std::vector<double> slopes(d.linear.size());
  bool any = false;
  for (size_t h = 0; h < slopes.size(); ++h) {
    // Causal keys lie behind: |distance| = distance, which falls as k grows.
    if (!place.causal && d.linear[h] != 0) {
      *why = "an ALiBi bias that tells earlier from later keys, in bidirectional attention";
      return std::nullopt;
    }
    slopes[h] = static_cast<double>(static_cast<float>(place.causal ? d.linear[h] - d.absolute[h] : -d.absolute[h]));
    if (!std::isfinite(slopes[h])) {
      *why = "an ALiBi slope is not a finite number";
      return std::nullopt;
    }
    any = any || slopes[h] != 0;
  }
  if (any && scores.hidden > kSurelyHidden) {
    *why = StrCat("a hidden key's score of ", scores.hidden, " could be overtaken by its ALiBi bias");
    return std::nullopt;
  }
  if (!any) slopes.clear();
  return slopes;
}

}  // namespace hasten::recognize
