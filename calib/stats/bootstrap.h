// The paired cluster bootstrap. Neighbouring tokens of a document err together, so
// that documents are drawn, each with all of its positions, and both models' figures
// travel with them. Not for independent items of a task: those have an exact test.
//
// Intervals are BCa (Efron 1987): KL divergences are skewed to the right, and the
// percentile interval's upper end then lies too low, which would let bad artifacts
// pass. With few clusters both are too narrow; the tail probabilities are therefore
// taken from Student's t with clusters - 1 degrees of freedom and the factor
// sqrt(n / (n - 1)) ("expanded", Hesterberg 2015, section 5.3). tests/stats simulates
// what is left of the error.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace hasten::stats {

inline constexpr int kResamples = 10000;
inline constexpr uint64_t kSeed = 20260101;
inline constexpr int64_t kLeastClusters = 30;

// A statistic of clusters that occur weights[i] times each.
using ClusterStatistic = std::function<double(std::span<const uint32_t> weights)>;

class Bootstrap {
 public:
  // clusters >= 2. `expanded` as above.
  Bootstrap(int64_t clusters, const ClusterStatistic& statistic, bool expanded = true, int resamples = kResamples, uint64_t seed = kSeed);

  double estimate() const { return estimate_; }
  double standard_error() const { return standard_error_; }
  // False where the estimate or a resample is NaN or infinite: there is no interval then.
  bool finite() const { return finite_; }
  // The one-sided confidence bound: P(parameter <= bound) is about `level`, so 0.95
  // gives an upper and 0.05 a lower one.
  double Bound(double level) const;
  // The level at which the bound is x: the p-value of "the parameter is at most x".
  double LevelOf(double x) const;

 private:
  double Jackknife(int64_t clusters, const ClusterStatistic& statistic) const;   // the acceleration
  double Expand(double level) const;
  double Unexpand(double level) const;
  int64_t clusters_;
  bool expanded_, finite_ = true;
  double estimate_ = 0, standard_error_ = 0;
  double bias_ = 0, acceleration_ = 0;
  std::vector<double> sorted_;
};

}  // namespace hasten::stats
