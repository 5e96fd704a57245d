// Paired right/wrong answers of two models over independent items: McNemar's exact
// test and the score interval of the difference of accuracies (Tango 1998), which
// holds where few items flip; an unpaired test would need eight times the items.
#pragma once

#include <cstdint>

namespace hasten::stats {

struct PairedCounts {
  int64_t n = 0;
  int64_t only_reference = 0, only_candidate = 0;   // right in that one alone
  // Accuracy lost, as a share: positive is worse.
  double loss() const { return n > 0 ? static_cast<double>(only_reference - only_candidate) / static_cast<double>(n) : 0; }
  double flips() const { return n > 0 ? static_cast<double>(only_reference + only_candidate) / static_cast<double>(n) : 0; }
};

// Two-sided, exact (McNemar 1947; binomial form): of "neither is better".
double McNemarExact(const PairedCounts& counts);
// Tango's score statistic of "the loss is `margin`": standard normal under it, and
// positive when the loss seen is larger. margin in (-1, 1), n > 0.
double PairedScore(const PairedCounts& counts, double margin);
// The one-sided confidence bound of the loss, at `level` as Bootstrap::Bound.
double PairedBound(const PairedCounts& counts, double level);

}  // namespace hasten::stats
