#include "calib/load/order_statistics.h"

#include <algorithm>
#include <cmath>

namespace hasten::load {
namespace {

double LogTerm(int64_t k, int64_t n, double p) {
  const double a = static_cast<double>(k), b = static_cast<double>(n);
  return std::lgamma(b + 1) - std::lgamma(a + 1) - std::lgamma(b - a + 1) + a * std::log(p) + (b - a) * std::log1p(-p);
}

std::optional<double> Finite(double x) { return std::isfinite(x) ? std::optional<double>(x) : std::nullopt; }

// Where `below` turns from true to false.
template <class F>
double Bisect(const F& below) {
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (below(middle) ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

double BinomialCdf(int64_t k, int64_t n, double p) {
  if (k < 0) return 0;
  if (k >= n) return 1;
  double sum = 0;
  for (int64_t i = 0; i <= k; ++i) sum += std::exp(LogTerm(i, n, p));
  return std::min(sum, 1.0);
}

int64_t RankOf(int64_t n, double q) {
  // A product that is an integer but for rounding (0.9 * 10) is that integer.
  return std::clamp<int64_t>(static_cast<int64_t>(std::ceil(q * static_cast<double>(n) - 1e-9)), 1, std::max<int64_t>(n, 1));
}

Ranks RanksOf(int64_t n, double q) {
  Ranks ranks;
  ranks.value = RankOf(n, q);
  double below = 0;   // P(Binomial <= r - 1), for r from 1
  for (int64_t r = 1; r <= n; ++r) {
    below += std::exp(LogTerm(r - 1, n, q));
    if (1 - below >= kOneSided) ranks.low = r;
    if (below >= kOneSided) {
      ranks.high = r;
      break;
    }
  }
  return ranks;
}

int64_t LeastCount(double q) { return static_cast<int64_t>(std::ceil(std::log(1 - kOneSided) / std::log(q) - 1e-9)); }

Bounded QuantileOf(std::span<const double> sorted, double q) {
  Bounded b;
  b.n = static_cast<int64_t>(sorted.size());
  if (sorted.empty()) return b;
  const Ranks ranks = RanksOf(b.n, q);
  if (ranks.low) b.low = Finite(sorted[static_cast<size_t>(*ranks.low - 1)]);
  if (!ranks.high) return b;
  b.high = Finite(sorted[static_cast<size_t>(*ranks.high - 1)]);
  b.value = Finite(sorted[static_cast<size_t>(ranks.value - 1)]);
  return b;
}

double PBeyond(int64_t within, int64_t n, double q) { return n > 0 ? BinomialCdf(within, n, q) : 1; }

double ShareBelow(int64_t k, int64_t n) {
  return k <= 0 ? 0 : Bisect([&](double p) { return 1 - BinomialCdf(k - 1, n, p) < 1 - kOneSided; });
}
double ShareAbove(int64_t k, int64_t n) {
  return k >= n ? 1 : Bisect([&](double p) { return BinomialCdf(k, n, p) > 1 - kOneSided; });
}

}  // namespace hasten::load
