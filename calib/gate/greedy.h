// Greedy continuations of the same prompts by both models: where they part, how long
// they are, how much they repeat, why they end.
#pragma once

#include <string>
#include <vector>

#include "calib/abi/artifact.h"
#include "calib/eval/reference.h"
#include "runtime/base/status.h"

namespace hasten::gate {

struct Continuation {
  std::vector<int32_t> tokens;   // without the end token
  bool stopped = false;          // at an end token, not at the limit
  bool broken = false;           // at logits that are no distribution
};

// Prompts of one length each; `tokens` more at most.
Result<std::vector<Continuation>> GreedyByCandidate(const calib::Artifact& artifact, std::span<const std::vector<int32_t>> prompts,
                                                    int64_t tokens, int threads, const std::atomic<bool>* cancel);
// The end tokens are the artifact's. Without a cache every step reads the whole text again.
Result<std::vector<Continuation>> GreedyByReference(calib::ReferenceModel& model, std::span<const std::vector<int32_t>> prompts,
                                                    int64_t tokens, std::span<const int32_t> eos, const std::atomic<bool>* cancel);

// Share of the continuation's runs of four tokens that stood in it before.
double RepetitionRate(std::span<const int32_t> tokens);
// Index of the first token that differs, -1 when both are the same to the end.
int64_t FirstDivergent(const Continuation& a, const Continuation& b);

}  // namespace hasten::gate
