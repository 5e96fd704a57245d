#include "calib/allocate/budget.h"

#include <memory>
#include <utility>

#include "calib/allocate/remeasure.h"

namespace hasten::calib {
namespace {

SensitivityOptions ProbesOf(const BudgetOptions& o) {
  return {.method = o.method, .samples = o.effort->probe_samples, .context = o.effort->probe_context, .update = o.update, .cancel = o.cancel};
}

}  // namespace

Result<std::vector<Item>> MeasureItems(ir::Graph& graph, const Chunks& samples, const BudgetOptions& options, ThreadPool& pool) {
  HST_ASSIGN_OR_RETURN(std::vector<Item> items, ItemsOf(graph));
  HST_RETURN_IF_ERROR(MeasureSensitivity(graph, samples, ProbesOf(options), pool, &items));
  return items;
}

Result<Recipe> SpendBudget(ir::Graph& graph, const Chunks& samples, Recipe base, const ArtifactSize& size,
                           const BudgetOptions& options, ThreadPool& pool) {
  const std::optional<uint64_t> budget = std::exchange(base.budget, std::nullopt);
  const std::optional<double> target = std::exchange(base.target_kld, std::nullopt);
  HST_ASSIGN_OR_RETURN(const std::vector<Item> items, MeasureItems(graph, samples, options, pool));
  if (target) {
    HST_ASSIGN_OR_RETURN(const std::vector<size_t> chosen, AllocateForKld(items, *target));
    return RecipeOf(base, items, chosen);
  }
  const SensitivityOptions probes = ProbesOf(options);
  std::unique_ptr<Remeasure> remeasure;   // made when it is first asked
  const auto measure = [&](std::span<const size_t> chosen) -> Result<double> {
    if (!remeasure) {
      HST_ASSIGN_OR_RETURN(remeasure, Remeasure::Create(graph, samples, probes, pool, items));
    }
    return remeasure->Of(chosen);
  };
  HST_ASSIGN_OR_RETURN(const std::vector<size_t> chosen, AllocateBest(base, items, *budget, size, options.effort->allocations, measure));
  return RecipeOf(base, items, chosen);
}

}  // namespace hasten::calib
