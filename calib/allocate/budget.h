// A budget turned into a recipe: items are measured, the knapsack is solved, and
// from some efforts on whole allocations are measured again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "calib/allocate/allocate.h"
#include "calib/allocate/sensitivity.h"
#include "calib/recipe/efforts.h"

namespace hasten::calib {

struct BudgetOptions {
  const Effort* effort = nullptr;
  SensitivityMethod method = SensitivityMethod::kProbe;
  std::function<void(uint64_t done, uint64_t total)> update;   // items; may be null
  const std::atomic<bool>* cancel = nullptr;
};

// The items of a graph and what each of their choices would cost.
Result<std::vector<Item>> MeasureItems(ir::Graph& graph, const Chunks& samples, const BudgetOptions& options, ThreadPool& pool);

// `base`, which has a budget or a target, with the schemes that spend the bytes best or keep
// to the divergence in the least bytes, and neither. kUsage as Allocate and AllocateForKld.
Result<Recipe> SpendBudget(ir::Graph& graph, const Chunks& samples, Recipe base, const ArtifactSize& size,
                           const BudgetOptions& options, ThreadPool& pool);

}  // namespace hasten::calib
