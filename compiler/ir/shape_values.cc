#include "compiler/ir/shape_values.h"

#include <algorithm>

namespace hasten::ir {
namespace {

constexpr size_t kMaxTerms = 24, kMaxDegree = 8;
constexpr int64_t kMaxFactor = int64_t{1} << 31;

bool Small(const Poly& p) {
  if (p.terms().size() > kMaxTerms) return false;
  return std::all_of(p.terms().begin(), p.terms().end(), [](const auto& t) {
    return t.first.size() <= kMaxDegree && t.second <= kMaxFactor && t.second >= -kMaxFactor;
  });
}

}  // namespace

std::optional<std::vector<Dim>> ShapeValues::Find(const Value* value) const {
  if (!value) return std::nullopt;
  if (value->is_weight()) {
    const Tensor& w = value->weight();
    if (IsFloat(w.dtype()) || w.rank() > 1 || w.elements() > static_cast<int64_t>(kMaxTrackedElements)) return std::nullopt;
    std::vector<Dim> out;
    for (int64_t v : w.ToInts()) out.emplace_back(Poly(v));
    return out;
  }
  const auto it = map_.find(value);
  return it == map_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::vector<int64_t>> ShapeValues::FindConst(const Value* value) const {
  const auto dims = Find(value);
  if (!dims) return std::nullopt;
  std::vector<int64_t> out;
  for (const Dim& d : *dims) {
    if (!d || !d->IsConst()) return std::nullopt;
    out.push_back(d->ConstTerm());
  }
  return out;
}

Dim DimAdd(const Dim& a, const Dim& b) {
  if (!a || !b) return std::nullopt;
  int64_t sum = 0;
  if (a->IsConst() && b->IsConst())
    return __builtin_add_overflow(a->ConstTerm(), b->ConstTerm(), &sum) ? Dim() : Dim(Poly(sum));
  if (!Small(*a) || !Small(*b)) return std::nullopt;
  Poly p = *a + *b;
  return Small(p) ? Dim(std::move(p)) : Dim();
}

Dim DimSub(const Dim& a, const Dim& b) {
  if (!a || !b) return std::nullopt;
  if (*a == *b) return Poly(0);
  int64_t difference = 0;
  if (a->IsConst() && b->IsConst())
    return __builtin_sub_overflow(a->ConstTerm(), b->ConstTerm(), &difference) ? Dim() : Dim(Poly(difference));
  if (!Small(*a) || !Small(*b)) return std::nullopt;
  Poly p = *a - *b;
  return Small(p) ? Dim(std::move(p)) : Dim();
}

Dim DimMul(const Dim& a, const Dim& b) {
  if (!a || !b) return std::nullopt;
  int64_t product = 0;
  if (a->IsConst() && b->IsConst())
    return __builtin_mul_overflow(a->ConstTerm(), b->ConstTerm(), &product) ? Dim() : Dim(Poly(product));
  if (*a == Poly(1)) return b;
  if (*b == Poly(1)) return a;
  if (!Small(*a) || !Small(*b) || a->terms().size() * b->terms().size() > 4 * kMaxTerms) return std::nullopt;
  Poly p = *a * *b;
  return Small(p) ? Dim(std::move(p)) : Dim();
}

Dim DimDiv(const Dim& a, const Dim& b) {
  if (!a || !b || *b == Poly(0)) return std::nullopt;
  if (a->IsConst() && b->IsConst()) {
    if (b->ConstTerm() == -1) return DimSub(Poly(0), a);
    return Poly(a->ConstTerm() / b->ConstTerm());
  }
  if (!Small(*a) || !Small(*b)) return std::nullopt;
  return Poly::DivideExact(*a, *b);
}

bool ProvedNonNegative(const Poly& p, int64_t least) {
  int64_t at_least = 0;
  for (const auto& [m, c] : p.terms()) {
    if (!m.empty() && c < 0) return false;
    if (__builtin_add_overflow(at_least, m.empty() ? c : c * least, &at_least)) return false;
  }
  return at_least >= 0;
}

Dim DimProduct(const std::vector<Dim>& dims) {
  Dim product = Poly(1);
  for (const Dim& d : dims)
    if (d && *d == Poly(0)) return Poly(0);
  for (const Dim& d : dims) product = DimMul(product, d);
  return product;
}

Dim SolveDim(std::vector<Dim> from, std::vector<Dim> known) {
  // Cancel factor by factor first: sums divide only by themselves, and unknown
  // dims that stand on neither side after cancelling do no harm.
  for (auto k = known.begin(); k != known.end();) {
    auto hit = std::find_if(from.begin(), from.end(), [&](const Dim& f) { return f && *k && *f == **k; });
    if (hit == from.end())
      hit = std::find_if(from.begin(), from.end(), [&](const Dim& f) { return f && *k && Poly::DivideExact(*f, **k); });
    if (hit == from.end()) {
      ++k;
      continue;
    }
    *hit = Poly::DivideExact(**hit, **k);
    k = known.erase(k);
  }
  if (known.empty()) return DimProduct(from);
  const Dim total = DimProduct(from), part = DimProduct(known);
  if (!total || !part || *part == Poly(0)) return std::nullopt;
  return Poly::DivideExact(*total, *part);
}

}  // namespace hasten::ir
