// Quantizes a model's linears from what flows through them: the samples walk the
// graph from linear to linear (walk.h); at each, its inputs are observed as the
// quantized model and as the original have them, its weights are quantized (a chain
// of passes/quant/), and what follows sees the quantized result. Inputs and KV cache
// are rounded as the runtime rounds them, so that the weights make up for that too.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "calib/calibrate/checkpoint.h"
#include "calib/data/chunks.h"
#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"
#include "passes/quant/descent.h"
#include "passes/quant/gptaq.h"
#include "passes/quant/gptq.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

struct CalibrateOptions {
  passes::GptaqOptions gptaq;
  // Whether gptaq makes up for the residual stream's error too. stories260k, 96 samples
  // of 256, KLD without and with: 0.124, 0.117.
  bool stream = true;
  passes::GptqOptions gptq;
  passes::DescentOptions descent;
  // The samples' values beyond these bytes lie in an unnamed file of the folder.
  uint64_t resident_bytes = uint64_t{192} << 20;
  std::string folder = ".";
  std::vector<std::string>* notes = nullptr;   // what the samples do not reach, a line a weight; may be null
  Checkpoint* checkpoint = nullptr;   // what it has is not done again; may be null
  std::function<void(uint64_t done, uint64_t total)> update;   // work, in any unit; may be null
  const std::atomic<bool>* cancel = nullptr;
};

// A digest of all that the codes depend on. `model`: of its files.
Sha256Digest CheckpointKey(const Sha256Digest& model, const plan::ProgramPlan& plan, const Chunks& samples, const CalibrateOptions& options);

// Codes for each of plan.tensors, empty for those that no quantized linear reads
// (they are rounded to nearest). `plan` is MakePlan's of `graph`, which is left as
// it is. The same codes with any number of threads, and after any interruption. Memory
// beside these: a few samples' values at one linear; two matrices, fp64, of the widest
// input's square and copies of them; the largest weight in fp32, twice; the codes. kBadInput names the node
// whose inputs are not finite.
Result<std::vector<passes::OwnedCodes>> Calibrate(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples,
                                                  const CalibrateOptions& options, ThreadPool& pool);

}  // namespace hasten::calib
