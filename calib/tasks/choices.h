// Multiple-choice tasks by log likelihood: a context, endings, one of them right. The
// ending that a model finds most likely is its answer: by the sum of its tokens' log
// probabilities, and by that sum a character of the ending ("normalized"), as lm-eval's
// acc and acc_norm do for HellaSwag. Context and ending are joined by a space, tokenised
// together and apart, and the tokens beyond the context's number are the ending's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "calib/abi/artifact.h"
#include "calib/stats/paired.h"
#include "runtime/base/status.h"

namespace hasten::calib {

struct ChoiceItem {
  std::string context;
  std::vector<std::string> endings;
  int64_t label = 0;
};

// A JSONL file of items, the first `most` of them (0: all). kBadInput names the line of
// one that has no context, fewer than two endings or a label outside them, of an item that
// was there before, and a file with none.
Result<std::vector<ChoiceItem>> ReadChoices(const std::string& path, int64_t most);
Result<std::vector<ChoiceItem>> ParseChoices(std::string_view text, int64_t most);

// An item in tokens. whole[e][scored_from ..] are the ending's; whole[e][0 .. shared) are
// the same for all endings, and at least one token of each lies beyond.
struct EncodedItem {
  std::vector<std::vector<int32_t>> whole;
  int64_t shared = 0, scored_from = 0;
};
// `leading`: a token before every text, or none. kBadInput where an ending has no token.
Result<EncodedItem> EncodeChoice(const Artifact& artifact, const ChoiceItem& item, std::span<const int32_t> leading);

// Log likelihood of each ending, in nats.
using EndingScores = std::vector<double>;

// The index of the answer, the lowest where two are equal. A NaN is never the answer; -1
// when there is no other.
int64_t Answer(const ChoiceItem& item, const EndingScores& scores, bool normalized);

struct ChoiceResult {
  int64_t items = 0, reference_right = 0, candidate_right = 0;
  stats::PairedCounts paired;
};
ChoiceResult CompareChoices(std::span<const ChoiceItem> items, std::span<const EndingScores> reference,
                            std::span<const EndingScores> candidate, bool normalized);

}  // namespace hasten::calib
