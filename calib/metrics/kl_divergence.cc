// KL divergence (Kullback & Leibler 1951) of the candidate's next-token
// distribution from the reference's: mean, 99th percentile, largest. Single
// values may be negative by rounding when the two agree; they are kept.
#include <algorithm>
#include <cmath>
#include <vector>

#include "calib/metrics/metric.h"

namespace hasten::calib {

double KldMean(std::span<const TokenScore> scores) {
  double sum = 0;
  for (const TokenScore& s : scores) sum += s.kld;
  return sum / static_cast<double>(scores.size());
}

// The percentile at rank 0.99 (n - 1), between neighbours linearly.
double KldP99(std::span<const TokenScore> scores) {
  std::vector<double> sorted;
  for (const TokenScore& s : scores) {
    if (std::isnan(s.kld)) return s.kld;
    sorted.push_back(s.kld);
  }
  std::sort(sorted.begin(), sorted.end());
  const double rank = 0.99 * static_cast<double>(sorted.size() - 1);
  const size_t low = static_cast<size_t>(rank);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  if (sorted[low] == sorted[high]) return sorted[low];  // two infinities too
  return sorted[low] + (rank - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

double KldMax(std::span<const TokenScore> scores) {
  double largest = scores[0].kld;
  for (const TokenScore& s : scores) {
    if (std::isnan(s.kld)) return s.kld;
    largest = std::max(largest, s.kld);
  }
  return largest;
}

}  // namespace hasten::calib
