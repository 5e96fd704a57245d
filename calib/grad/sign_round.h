// Learned rounding, block by block: offsets of weights before they are rounded, and each
// group's scale, by signed gradients.
//   Cheng et al. 2023, "Optimize Weight Rounding via Signed Gradient Descent for the
//   Quantization of LLMs", eq. 3-5. Here the offsets are from what calibration found (a
//   code and its fraction), so that training begins with its codes; a block's inputs are
//   the quantized model's, with all blocks before it trained, its target what the original
//   has there.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "calib/data/chunks.h"
#include "calib/grad/distill.h"
#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

struct SignRoundOptions {
  int64_t steps = 0;          // a block
  int64_t batch = 1;          // samples a step
  // How far a weight goes in codes, and a scale relative to itself, whose gradient's sign
  // never changes; steps shrink linearly. stories260k, 50 steps, KLD (0.1134 before) at a
  // reach of 0.25 / 0.5 / 0.8 / 1.5: 0.1025 / 0.1005 / 0.0994 / 0.1114.
  double reach = 0.5, scale_reach = 0.02;
  uint64_t resident_bytes = uint64_t{384} << 20;   // of what the samples carry, each way; the rest is on disk
  std::string folder = ".";                        // where to
  std::string checkpoint;                          // the blocks that are done; empty: none
  std::function<void(uint64_t done, uint64_t total)> update;              // blocks; may be null
  std::function<void(int64_t block, double before, double after)> error;  // relative, of the block's output; may be null
  const std::atomic<bool>* cancel = nullptr;
};

// Trains the codes of `trained` that have fractions, in place. Linears alone; the head, what
// a table shares and what two blocks read are left. A block that training has not made
// better stays as it was. The same result with any number of threads and after any
// interruption. Memory beside the model: the values of one block for a sample, 12 bytes for
// each of its weights, and what the samples carry from block to block.
Status SignRound(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples, const SignRoundOptions& options, ThreadPool& pool, Trained* trained);

}  // namespace hasten::calib
