// Schemes for all tensors under a budget of bytes: the knapsack over what was
// measured, and the recipe that says what came out.
#pragma once

#include <functional>
#include <vector>

#include "calib/allocate/sensitivity.h"
#include "calib/recipe/recipe.h"

namespace hasten::calib {

// The recipe with the chosen schemes: the commonest of linears as `weights`, the
// tables as `embed` and `head`, a rule for every other.
Recipe RecipeOf(const Recipe& base, std::span<const Item> items, std::span<const size_t> chosen);

// Bytes of the whole artifact that a recipe would give.
using ArtifactSize = std::function<Result<uint64_t>(const Recipe&)>;

// The least predicted divergence within `budget` bytes of artifact, as choices of the
// items, which are measured. kUsage when nothing fits, with the least that would.
Result<std::vector<size_t>> Allocate(const Recipe& base, std::span<const Item> items, uint64_t budget, const ArtifactSize& size);

// The least bytes whose predicted divergence is at most `kld`, to a 65,536th of the most.
// kUsage when the best schemes are predicted more, with what they are.
Result<std::vector<size_t>> AllocateForKld(std::span<const Item> items, double kld);

// As Allocate, for several readings of the probes, `count` of them: as they are, and with
// their range narrowed by a power, which trusts them less. The one whose whole
// allocation measures best is kept; `measure` is not asked about a single one.
using MeasureChosen = std::function<Result<double>(std::span<const size_t> chosen)>;
Result<std::vector<size_t>> AllocateBest(const Recipe& base, std::span<const Item> items, uint64_t budget, const ArtifactSize& size, int64_t count,
                                         const MeasureChosen& measure);

}  // namespace hasten::calib
