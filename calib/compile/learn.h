// What a compilation learns from gradients once calibration has chosen the codes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "calib/data/chunks.h"
#include "calib/grad/distill.h"
#include "calib/recipe/recipe.h"
#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

struct LearnOptions {
  const Calibrated& recipe;   // resolved
  const std::string& output;  // checkpoints lie beside it
  const std::string& folder;  // what memory does not hold goes there
  std::function<Status(std::string_view)> stage;
  std::function<void(uint64_t done, uint64_t total)> update;   // may be null
  const std::atomic<bool>* cancel = nullptr;
};

// Whether codes move: calibration then has to leave their fractions.
bool LearnsCodes(const Calibrated& recipe);

// Moves `values` in place, codes as Calibrate made them.
Status LearnValues(ir::Graph& graph, const plan::ProgramPlan& plan, const Chunks& samples, const LearnOptions& options, ThreadPool& pool, Trained* values);

}  // namespace hasten::calib
