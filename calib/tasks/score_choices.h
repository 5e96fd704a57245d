// Log likelihoods of endings under either model. The context is evaluated once: the
// candidate forks the sequence, the reference carries its cache on where the graph has
// one. Items of one context length make a batch, so that nothing has to be padded before
// an ending and any graph with a batch dimension can take them.
#pragma once

#include <functional>

#include "calib/eval/reference.h"
#include "calib/eval/store.h"
#include "calib/tasks/choices.h"

namespace hasten::calib {

struct ChoiceProgress {
  std::function<void(int64_t done, int64_t total)> update;   // items; may be null
  const std::atomic<bool>* cancel = nullptr;
};

// The candidate's scores are kept too, a block of items at a time, but read again only to
// go on with a run that was interrupted: what is judged is what this machine computes.
struct CandidateStore {
  const Store& store;
  std::string digest;      // of the artifact
  bool resume = false;
};
Result<std::vector<EndingScores>> ScoreByCandidate(const Artifact& artifact, std::span<const EncodedItem> items, int threads,
                                                   const CandidateStore& kept, const ChoiceProgress& progress);
// Kept in the store, a batch at a time.
Result<std::vector<EndingScores>> ScoreByReference(ReferenceModel& model, std::span<const EncodedItem> items, int threads, const Store& store,
                                                   const ChoiceProgress& progress);

}  // namespace hasten::calib
