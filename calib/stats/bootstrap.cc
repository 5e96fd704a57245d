#include "calib/stats/bootstrap.h"

#include <algorithm>
#include <cmath>

#include "calib/stats/distributions.h"
#include "calib/stats/random.h"
#include "runtime/base/status.h"

namespace hasten::stats {

Bootstrap::Bootstrap(int64_t clusters, const ClusterStatistic& statistic, bool expanded, int resamples, uint64_t seed)
    : clusters_(clusters), expanded_(expanded) {
  HST_CHECK(clusters >= 2 && clusters <= INT32_MAX && resamples >= 2);
  std::vector<uint32_t> weights(static_cast<size_t>(clusters), 1);
  estimate_ = statistic(weights);
  Random random(seed);
  double sum = 0;
  for (int b = 0; b < resamples; ++b) {
    std::fill(weights.begin(), weights.end(), 0);
    for (int64_t i = 0; i < clusters; ++i) ++weights[random.Below(static_cast<uint32_t>(clusters))];
    sorted_.push_back(statistic(weights));
    sum += sorted_.back();
  }
  finite_ = std::isfinite(estimate_) && std::isfinite(sum);
  if (!finite_) return;
  const double mean = sum / resamples;
  double squares = 0;
  for (const double x : sorted_) squares += (x - mean) * (x - mean);
  standard_error_ = std::sqrt(squares / (resamples - 1));
  std::sort(sorted_.begin(), sorted_.end());
  // Ties count half: a statistic of few values would otherwise look biased.
  const auto below = std::lower_bound(sorted_.begin(), sorted_.end(), estimate_) - sorted_.begin();
  const auto upto = std::upper_bound(sorted_.begin(), sorted_.end(), estimate_) - sorted_.begin();
  const double share = 0.5 * static_cast<double>(below + upto) / resamples;
  const double least = 0.5 / resamples;
  bias_ = NormalQuantile(std::clamp(share, least, 1 - least));
  acceleration_ = Jackknife(clusters, statistic);
}

// Efron 1987, equation 6.6: the skewness of leaving each cluster out.
double Bootstrap::Jackknife(int64_t clusters, const ClusterStatistic& statistic) const {
  std::vector<uint32_t> weights(static_cast<size_t>(clusters), 1);
  std::vector<double> left_out;
  double sum = 0;
  for (uint32_t& weight : weights) {
    weight = 0;
    left_out.push_back(statistic(weights));
    sum += left_out.back();
    weight = 1;
  }
  const double mean = sum / static_cast<double>(clusters);
  double second = 0, third = 0;
  for (const double x : left_out) {
    const double d = mean - x;
    second += d * d;
    third += d * d * d;
  }
  const double a = third / (6 * std::pow(second, 1.5));
  return std::isfinite(a) ? a : 0;   // no spread: nothing to correct
}

double Bootstrap::Expand(double level) const {
  if (!expanded_) return level;
  const double n = static_cast<double>(clusters_);
  return NormalCdf(StudentQuantile(level, n - 1) * std::sqrt(n / (n - 1)));
}

double Bootstrap::Unexpand(double level) const {
  if (!expanded_) return level;
  const double n = static_cast<double>(clusters_);
  return StudentCdf(NormalQuantile(level) / std::sqrt(n / (n - 1)), n - 1);
}

double Bootstrap::Bound(double level) const {
  HST_CHECK(finite_ && level > 0 && level < 1);
  const double z = bias_ + NormalQuantile(Expand(level));
  const double share = NormalCdf(bias_ + z / (1 - acceleration_ * z));
  const double rank = std::clamp(share, 0.0, 1.0) * static_cast<double>(sorted_.size() - 1);
  const size_t low = static_cast<size_t>(rank), high = std::min(low + 1, sorted_.size() - 1);
  return sorted_[low] + (rank - static_cast<double>(low)) * (sorted_[high] - sorted_[low]);
}

double Bootstrap::LevelOf(double x) const {
  HST_CHECK(finite_);
  const double n = static_cast<double>(sorted_.size());
  const auto below = std::lower_bound(sorted_.begin(), sorted_.end(), x) - sorted_.begin();
  // One resample more on either side, so that no p-value is exactly zero (Davison & Hinkley 1997, section 4.2).
  const double u = NormalQuantile((static_cast<double>(below) + 1) / (n + 2)) - bias_;
  const double level = Unexpand(NormalCdf(u / (1 + acceleration_ * u) - bias_));
  return std::clamp(level, 1 / (n + 2), 1 - 1 / (n + 2));
}

}  // namespace hasten::stats
