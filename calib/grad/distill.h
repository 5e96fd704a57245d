// Distillation of a quantized model: each group's scale, each norm's weights (which cost
// the artifact nothing) and the codes themselves move so that the logits come closer to
// the original's; the loss is KL(original || quantized). The known names: of scales, DWQ
// (MLX), "E2E-QP" (Chen et al. 2024, "EfficientQAT", section 3.3); of codes,
// quantization-aware training by straight-through gradients (Liu et al. 2023, "LLM-QAT").
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "calib/data/chunks.h"
#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"
#include "passes/quant/rtn.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

struct DistillOptions {
  int64_t steps = 0;              // a sample each
  // Of Adam (Kingma and Ba 2015, algorithm 1), for values relative to the first ones:
  // rises over `warmup` steps, then falls as a half cosine.
  double rate = 3e-4, beta1 = 0.9, beta2 = 0.99;
  int64_t warmup = 5;
  bool vectors = true;            // norms too
  // How far latent weights move a step, in codes (parameters.h), rising and falling as
  // `rate`; 0: codes stay. Of tensors whose codes have fractions. Off: stories260k gains
  // by it (KLD after 300 steps at 0 / 3e-3: 0.1025 / 0.0906), SmolLM2-135M loses (after 10
  // steps at 0 / 5e-4 / 3e-3: 0.0470 / 0.0506 / 0.0508).
  double latent_rate = 0;
  // A file that holds the state after every so many steps, so that training that was
  // killed goes on, to the same result; gone when all steps are done. Empty: none.
  std::string checkpoint;
  int64_t checkpoint_every = 5;
  std::function<void(uint64_t done, uint64_t total)> update;   // steps; may be null
  std::function<void(int64_t step, double loss)> loss;         // before the step was taken; may be null
  const std::atomic<bool>* cancel = nullptr;
};

struct Trained {
  std::vector<passes::OwnedCodes> codes;       // of each of plan.tensors, as Calibrate's
  std::vector<std::vector<float>> vectors;     // of each, values of norms that were changed; else empty
  std::vector<uint8_t> nearest;                // of each, whether its codes are those nearest to the weights
};

// Codes that are missing are rounded to nearest, so that all the artifact will hold is seen.
Status RoundTheRest(const plan::ProgramPlan& plan, Trained& trained);

// Trains `trained` in place; codes that are missing are rounded to nearest first. Samples
// are taken in turn. The same result
// with any number of threads and after any interruption. kResource when the checkpoint
// cannot be written. Memory beside the model: the values of one sample
// (Network), two rows of logits for each of its tokens, 24 bytes a group.
Status Distill(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples, const DistillOptions& options, ThreadPool& pool,
               Trained* trained);

}  // namespace hasten::calib
