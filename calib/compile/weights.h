// Writes the weights section: every tensor of a plan gathered from the model's
// mapped files, quantized and packed, one at a time, so that memory does not
// grow with the model.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "calib/compile/model_info.h"
#include "calib/grad/distill.h"
#include "compiler/artifact/writer.h"
#include "compiler/plan/plan.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

struct WeightsProgress {
  std::function<void(uint64_t done, uint64_t total)> report;  // bytes of the section; may be null
  const std::atomic<bool>* cancel = nullptr;
};

// The same bytes with any number of threads. kBadInput for a weight that is NaN or
// infinite, by name, row and column. `values`: of each tensor, where calibration made
// some; the others are rounded to nearest. Needs memory for one packed tensor and
// a few rows a thread.
Status WriteWeights(const plan::ProgramPlan& plan, const Trained& values, ThreadPool& pool, const WeightsProgress& progress,
                    ArtifactWriter& writer, std::vector<TensorMaking>* makings);

}  // namespace hasten::calib
