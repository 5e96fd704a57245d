// How much a change of weights would cost, predicted from gradients of the model as it
// is: what an allocation of schemes asks, for a backward pass a sample instead of an
// evaluation a candidate.
//
// With labels y drawn from the model's own distribution, independently at each token,
// the score g = d/dW of the sum of -log p(y) has mean 0 and covariance the Fisher matrix F,
// and KL(p_W || p_W+D) = 1/2 vec(D)' F vec(D) to second order (Kullback 1959, section
// 2.6; Kunstner et al. 2019, "Limitations of the empirical Fisher", section 2). So each
// sample gives the estimate 1/2 (g . D)^2; it is taken a row of W at a time, which
// leaves out what rows do together and varies less.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "calib/data/chunks.h"
#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"
#include "passes/quant/rtn.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

// What tensor `tensor` of a plan might become: `codes` in `scheme`.
struct WeightChange {
  size_t tensor = 0;
  Scheme scheme = Scheme::kF32;
  passes::OwnedCodes codes;
};

struct PredictOptions {
  uint64_t seed = 1;                                           // of the labels
  std::function<void(uint64_t done, uint64_t total)> update;   // samples; may be null
  const std::atomic<bool>* cancel = nullptr;
};

// For each candidate the predicted mean divergence, in nats a token, when it alone
// replaces its tensor: of each of its rows, whose sum is the candidate's. `plan` is MakePlan's of `graph`, whose main output must be
// logits (kUsage). The same figures with any number of threads.
Result<std::vector<std::vector<double>>> PredictDivergence(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples,
                                              const std::vector<WeightChange>& candidates, const PredictOptions& options, ThreadPool& pool);

}  // namespace hasten::calib
