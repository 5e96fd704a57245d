// Metrics over all positions, and over resampled documents.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "calib/metrics/metric.h"
#include "runtime/base/status.h"

namespace hasten::calib {
namespace {

std::vector<double> Terms(const Metric& metric, std::span<const TokenScore> scores) {
  std::vector<double> terms;
  for (const TokenScore& s : scores) terms.push_back(metric.term(s));
  return terms;
}

bool AnyNan(std::span<const double> x) {
  return std::any_of(x.begin(), x.end(), [](double v) { return std::isnan(v); });
}

// Between neighbours linearly; two infinities too.
double Between(double low, double high, double share) { return low == high ? low : low + share * (high - low); }

// The terms in ascending order, with their documents: a quantile of a resample is a
// walk along them.
struct Sorted {
  std::vector<double> value;
  std::vector<int32_t> document;
  double share;

  double At(std::span<const uint32_t> weights, const std::vector<int64_t>& sizes) const {
    int64_t total = 0;
    for (size_t d = 0; d < weights.size(); ++d) total += weights[d] * sizes[d];
    if (total == 0) return std::numeric_limits<double>::quiet_NaN();
    const double rank = share * static_cast<double>(total - 1);
    const int64_t low = static_cast<int64_t>(rank), high = std::min(low + 1, total - 1);
    int64_t passed = 0;
    double at_low = 0;
    bool found = false;
    for (size_t i = 0; i < value.size(); ++i) {
      passed += weights[static_cast<size_t>(document[i])];
      if (!found && passed > low) at_low = value[i], found = true;
      if (passed > high) return Between(at_low, value[i], rank - static_cast<double>(low));
    }
    return value.back();
  }
};

stats::ClusterStatistic QuantileStatistic(const Metric& metric, std::vector<double> terms, std::span<const int32_t> document, std::vector<int64_t> sizes) {
  if (AnyNan(terms)) return [](std::span<const uint32_t>) { return std::numeric_limits<double>::quiet_NaN(); };
  std::vector<size_t> order(terms.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return terms[a] < terms[b]; });
  const auto sorted = std::make_shared<Sorted>();
  sorted->share = metric.share;
  for (const size_t i : order) {
    sorted->value.push_back(terms[i]);
    sorted->document.push_back(document[i]);
  }
  return [sorted, sizes = std::move(sizes)](std::span<const uint32_t> weights) { return sorted->At(weights, sizes); };
}

}  // namespace

double Compute(const Metric& metric, std::span<const TokenScore> scores) {
  HST_CHECK(!scores.empty());
  std::vector<double> terms = Terms(metric, scores);
  if (metric.finish) return metric.finish(std::accumulate(terms.begin(), terms.end(), 0.0) / static_cast<double>(terms.size()));
  if (AnyNan(terms)) return std::numeric_limits<double>::quiet_NaN();
  std::sort(terms.begin(), terms.end());
  const double rank = metric.share * static_cast<double>(terms.size() - 1);
  const size_t low = static_cast<size_t>(rank), high = std::min(low + 1, terms.size() - 1);
  return Between(terms[low], terms[high], rank - static_cast<double>(low));
}

stats::ClusterStatistic OverDocuments(const Metric& metric, std::span<const TokenScore> scores, std::span<const int32_t> document,
                                      int64_t documents) {
  HST_CHECK(scores.size() == document.size() && documents > 0);
  std::vector<double> terms = Terms(metric, scores);
  std::vector<int64_t> sizes(static_cast<size_t>(documents), 0);
  for (const int32_t d : document) ++sizes[static_cast<size_t>(d)];
  if (!metric.finish) return QuantileStatistic(metric, std::move(terms), document, std::move(sizes));
  std::vector<double> sums(static_cast<size_t>(documents), 0);
  for (size_t i = 0; i < terms.size(); ++i) sums[static_cast<size_t>(document[i])] += terms[i];
  return [sums = std::move(sums), sizes = std::move(sizes), finish = metric.finish](std::span<const uint32_t> weights) {
    double sum = 0, n = 0;
    for (size_t d = 0; d < weights.size(); ++d) {
      if (weights[d] == 0) continue;   // 0 * NaN
      sum += weights[d] * sums[d];
      n += static_cast<double>(weights[d] * static_cast<uint64_t>(sizes[d]));
    }
    return finish(sum / n);
  };
}

}  // namespace hasten::calib
