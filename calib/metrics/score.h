// What is known about one scored position: how the reference and the candidate
// judged the token that really came next, and how far apart their distributions
// are. Everything a metric needs, so that logits are dropped as soon as scored.
#pragma once

#include <cstdint>
#include <span>

namespace hasten::calib {

struct TokenScore {
  double reference_nll = 0;   // -ln p(next) under the reference, in nats
  double candidate_nll = 0;
  double kld = 0;             // KL(reference || candidate) over the vocabulary, in nats
  bool same_top1 = false;     // both put the same token first (lowest id wins a tie)
  int32_t shared_top5 = 0;    // tokens that are among the five likeliest of both
  int32_t reference_top = -1, candidate_top = -1;          // the likeliest token
  double reference_top_p = 0, candidate_top_p = 0;         // and its probability
  bool reference_top_came = false, candidate_top_came = false;
  double cosine = 0;          // of the two rows as they are
  int32_t top5_of = 5;        // fewer where there are fewer outputs
};

// `reference` and `candidate` are rows of the same length, the vocabulary; next
// lies in it. Logits or log probabilities: a constant added to a row changes nothing.
// Sums in double, in order of token id. A NaN or an all -inf row gives NaN or inf,
// which the metrics carry to the report.
TokenScore ScoreToken(std::span<const float> reference, std::span<const float> candidate, int32_t next);

// What needs no next token, for an encoder's outputs: agreement and cosine. 1 for two rows
// of zeros, 0 for one; the rest of the score is NaN.
TokenScore ScoreOutputs(std::span<const float> reference, std::span<const float> candidate);

// ln of the sum of exp, in double.
double LogSumExp(std::span<const float> row);

// Whether a row of logits is a distribution: no NaN, no +inf, and not -inf alone.
bool IsDistribution(std::span<const float> row);

}  // namespace hasten::calib
