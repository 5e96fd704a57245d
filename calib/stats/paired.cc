#include "calib/stats/paired.h"

#include <algorithm>
#include <cmath>

#include "calib/stats/distributions.h"
#include "runtime/base/status.h"

namespace hasten::stats {

double McNemarExact(const PairedCounts& c) {
  const int64_t flips = c.only_reference + c.only_candidate;
  return std::min(1.0, 2 * BinomialCdf(std::min(c.only_reference, c.only_candidate), flips, 0.5));
}

double PairedScore(const PairedCounts& c, double margin) {
  HST_CHECK(c.n > 0 && margin > -1 && margin < 1);
  const double n = static_cast<double>(c.n), b = static_cast<double>(c.only_reference), w = static_cast<double>(c.only_candidate);
  // The probability of "only candidate" that is most likely when the loss is `margin`.
  const double B = -b - w + (2 * n - b + w) * margin, C = -w * margin * (1 - margin);
  const double q = (std::sqrt(std::max(0.0, B * B - 8 * n * C)) - B) / (4 * n);
  const double variance = n * (2 * q + margin * (1 - margin));
  const double distance = b - w - n * margin;
  if (variance <= 0) return distance == 0 ? 0 : std::copysign(INFINITY, distance);
  return distance / std::sqrt(variance);
}

double PairedBound(const PairedCounts& c, double level) {
  HST_CHECK(c.n > 0 && level > 0 && level < 1);
  const double z = NormalQuantile(1 - level);   // the score falls as the margin grows
  double low = -1 + 1e-9, high = 1 - 1e-9;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (PairedScore(c, middle) > z ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace hasten::stats
