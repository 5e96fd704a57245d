#include "calib/stats/decide.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "calib/stats/distributions.h"

namespace hasten::stats {

std::vector<double> Holm(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(order.size() - rank) * p_values[order[rank]]));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

double DetectableEffect(double bound_distance, double standard_error) { return bound_distance + NormalQuantile(kPower) * standard_error; }

int64_t SamplesToDecide(int64_t n, double detectable_effect, double distance) {
  const double ratio = detectable_effect / std::abs(distance);
  const double samples = std::ceil(static_cast<double>(n) * ratio * ratio);
  return samples < 9e18 ? std::max<int64_t>(1, static_cast<int64_t>(samples)) : INT64_MAX;
}

}  // namespace hasten::stats
