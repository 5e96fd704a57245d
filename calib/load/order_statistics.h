// Percentiles with confidence bounds that assume nothing about the distribution:
// order statistics, whose ranks follow the binomial distribution (David & Nagaraja,
// Order Statistics, 3rd ed., 7.1). Too few samples give no bound, and so no percentile.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace hasten::load {

inline constexpr double kOneSided = 0.95;   // each bound alone; both together cover 90%

// P(Binomial(n, p) <= k), summed term by term in double.
double BinomialCdf(int64_t k, int64_t n, double p);

// 1-based rank ceil(q n) of the sample quantile, at least 1.
int64_t RankOf(int64_t n, double q);

// 1-based ranks of n ascending samples around the quantile `q`, 0 < q < 1.
struct Ranks {
  int64_t value = 0;            // RankOf
  std::optional<int64_t> low;   // the quantile is not below this sample, with kOneSided confidence
  std::optional<int64_t> high;  // nor above this one
};
Ranks RanksOf(int64_t n, double q);

// The least n for which RanksOf has `high`: 299 for q = 0.99.
int64_t LeastCount(double q);

struct Bounded {
  std::optional<double> value, low, high;   // value only together with high
  int64_t n = 0;
};
// `sorted` ascending; infinity stands for a request that failed. A bound that is
// infinite is absent.
Bounded QuantileOf(std::span<const double> sorted, double q);

// Of n samples `within` keep a limit on the quantile: the p-value of "it is beyond",
// small when it is (binomial, exact).
double PBeyond(int64_t within, int64_t n, double q);

// Bounds on a share of which k of n were seen (Clopper & Pearson 1934): it is not
// below, or not above this, with kOneSided confidence each.
double ShareBelow(int64_t k, int64_t n);
double ShareAbove(int64_t k, int64_t n);

}  // namespace hasten::load
