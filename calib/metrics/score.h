// What is known about one scored position: how the reference and the candidate
// judged the token that really came next, and how far apart their distributions
// are. Everything a metric needs, so that logits are dropped as soon as scored.
#pragma once

#include <cstdint>
#include <span>

namespace hasten::calib {

struct TokenScore {
  double reference_nll = 0;  // -ln p(next) under the reference, in nats
  double candidate_nll = 0;
  double kld = 0;            // KL(reference || candidate) over the vocabulary, in nats
  bool same_top1 = false;    // both put the same token first (lowest id wins a tie)
};

// `reference` and `candidate` are rows of the same length, the vocabulary; next
// lies in it. Sums in double, in order of token id. A NaN or an all -inf row
// gives NaN or inf, which the metrics carry to the report.
TokenScore ScoreToken(std::span<const float> reference, std::span<const float> candidate, int32_t next);

}  // namespace hasten::calib
