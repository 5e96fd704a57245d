#include "calib/load/resample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "calib/load/summary.h"

namespace hasten::load {
namespace {

constexpr int kResamples = 1000;   // a bound moves by 3% of the interval's width from one seed to another
constexpr uint64_t kSeed = 1;

// Infinity counts.
double Quantile(std::vector<double>& values, double q) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto at = values.begin() + (RankOf(static_cast<int64_t>(values.size()), q) - 1);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// std::mt19937_64's numbers are the same everywhere; its modulus is biased by n / 2^64.
size_t Pick(std::mt19937_64& random, size_t n) { return static_cast<size_t>(random() % n); }

Spread SpreadOf(std::vector<double>& estimates, double limit) {
  if (estimates.empty()) return {std::nan(""), std::nan(""), 1};
  std::sort(estimates.begin(), estimates.end());
  const auto at = [&](double q) { return estimates[static_cast<size_t>(q * static_cast<double>(estimates.size() - 1))]; };
  // One more on either side: no number of resamples shows a p-value of zero.
  const auto within = std::upper_bound(estimates.begin(), estimates.end(), limit) - estimates.begin();
  return {at(1 - kOneSided), at(kOneSided), static_cast<double>(within + 1) / static_cast<double>(estimates.size() + 1)};
}

using Gaps = std::vector<std::vector<double>>;   // of each request

Gaps GapsOf(std::span<const Record> records) {
  Gaps gaps;
  for (const Record& r : records) {
    // A failed request has no end: one gap that never closed.
    if (!r.error.empty()) gaps.push_back({std::numeric_limits<double>::infinity()});
    else if (!r.itl_ms.empty()) gaps.push_back(r.itl_ms);
  }
  return gaps;
}

// The quantile of all gaps in each resample.
std::vector<double> Resample(const Gaps& gaps, double q) {
  std::mt19937_64 random(kSeed);
  std::vector<double> estimates, pooled;
  for (int i = 0; i < kResamples; ++i) {
    pooled.clear();
    for (size_t k = 0; k < gaps.size(); ++k) {
      const auto& g = gaps[Pick(random, gaps.size())];
      pooled.insert(pooled.end(), g.begin(), g.end());
    }
    estimates.push_back(Quantile(pooled, q));
  }
  return estimates;
}

}  // namespace

Bounded PooledQuantile(std::span<const Record> records, double q) {
  Bounded b;
  const Gaps gaps = GapsOf(records);
  b.n = static_cast<int64_t>(gaps.size());
  if (b.n < LeastCount(q)) return b;
  std::vector<double> pooled;
  for (const auto& g : gaps) pooled.insert(pooled.end(), g.begin(), g.end());
  const double value = Quantile(pooled, q);
  std::vector<double> estimates = Resample(gaps, q);
  const Spread spread = SpreadOf(estimates, 0);
  if (std::isfinite(value)) b.value = value;
  if (std::isfinite(spread.low)) b.low = spread.low;
  if (std::isfinite(spread.high)) b.high = spread.high;
  return b;
}

double PooledPBeyond(std::span<const Record> records, double q, double limit) {
  const Gaps gaps = GapsOf(records);
  if (static_cast<int64_t>(gaps.size()) < LeastCount(q)) return 1;
  std::vector<double> estimates = Resample(gaps, q);
  return SpreadOf(estimates, limit).p_beyond;
}

Bounded PooledLargest(std::span<const Record> records) {
  Bounded b;
  double largest = 0;
  for (const Record& r : records) {
    if (r.error.empty() && r.itl_ms.empty()) continue;
    ++b.n;
    if (!r.error.empty()) largest = std::numeric_limits<double>::infinity();
    for (const double gap : r.itl_ms) largest = std::max(largest, gap);
  }
  if (b.n > 0 && std::isfinite(largest)) b.value = largest;
  return b;
}

Spread PairedRatio(std::span<const Record> a, std::span<const Record> b, const std::string& quantity, double q, double limit) {
  const size_t n = std::min(a.size(), b.size());
  std::mt19937_64 random(kSeed);
  std::vector<double> estimates, left, right;
  for (int i = 0; i < kResamples && n > 0; ++i) {
    left.clear(), right.clear();
    for (size_t k = 0; k < n; ++k) {
      const size_t pick = Pick(random, n);
      const auto x = ValueOf(a[pick], quantity), y = ValueOf(b[pick], quantity);
      if (x && y) left.push_back(*x), right.push_back(*y);
    }
    const double ratio = Quantile(left, q) / Quantile(right, q);
    if (!std::isnan(ratio)) estimates.push_back(ratio);
  }
  return SpreadOf(estimates, limit);
}

}  // namespace hasten::load
