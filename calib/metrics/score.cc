#include "calib/metrics/score.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/status.h"

namespace hasten::calib {
namespace {

double LogSumExp(std::span<const float> x, double largest) {
  double sum = 0;
  for (const float v : x) sum += std::exp(static_cast<double>(v) - largest);
  return largest + std::log(sum);
}

}  // namespace

TokenScore ScoreToken(std::span<const float> reference, std::span<const float> candidate, int32_t next) {
  HST_CHECK(!reference.empty() && reference.size() == candidate.size());
  HST_CHECK(next >= 0 && static_cast<size_t>(next) < reference.size());
  const auto top_r = std::max_element(reference.begin(), reference.end());
  const auto top_c = std::max_element(candidate.begin(), candidate.end());
  const double norm_r = LogSumExp(reference, *top_r), norm_c = LogSumExp(candidate, *top_c);
  TokenScore score;
  score.reference_nll = norm_r - static_cast<double>(reference[static_cast<size_t>(next)]);
  score.candidate_nll = norm_c - static_cast<double>(candidate[static_cast<size_t>(next)]);
  score.same_top1 = top_r - reference.begin() == top_c - candidate.begin();
  for (size_t i = 0; i < reference.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - norm_r;
    const double p = std::exp(log_p);
    if (p > 0) score.kld += p * (log_p - (static_cast<double>(candidate[i]) - norm_c));
  }
  return score;
}

}  // namespace hasten::calib
