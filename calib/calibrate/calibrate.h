// Quantizes a model's linears from what flows through them: the samples walk the
// graph together, node by node; at each linear its inputs are observed, its
// weights are quantized (passes/quant/gptq.h), and what follows sees the
// quantized result. Inputs are rounded to INT8 as the runtime rounds them, so
// that the weights make up for that too. The KV cache's rounding is not seen.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "calib/data/chunks.h"
#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"
#include "passes/quant/gptq.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

struct CalibrateOptions {
  passes::GptqOptions gptq;
  std::function<void(uint64_t done, uint64_t total)> update;   // linears; may be null
  const std::atomic<bool>* cancel = nullptr;
};

// Codes for each of plan.tensors, empty for those that no quantized linear reads
// (they are rounded to nearest). `plan` is MakePlan's of `graph`, which is left as
// it is. The same codes with any number of threads. Memory: for every token of
// the samples the values that are live at one node; a Hessian, fp64, of the widest
// input; the codes. kBadInput names the node whose inputs are not finite.
Result<std::vector<passes::OwnedCodes>> Calibrate(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples,
                                                  const CalibrateOptions& options, ThreadPool& pool);

}  // namespace hasten::calib
