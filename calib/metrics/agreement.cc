// Agreement: how often greedy decoding would take the same next token.
#include <algorithm>

#include "calib/metrics/metric.h"

namespace hasten::calib {

double Top1Agreement(std::span<const TokenScore> scores) {
  const auto same = std::count_if(scores.begin(), scores.end(), [](const TokenScore& s) { return s.same_top1; });
  return static_cast<double>(same) / static_cast<double>(scores.size());
}

}  // namespace hasten::calib
