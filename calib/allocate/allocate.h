// Schemes for all tensors under a budget of bytes: sensitivities, the knapsack, and
// the recipe that says what came out.
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

// The least predicted divergence within `budget` bytes of artifact. `items` are
// measured. kUsage when nothing fits, with the least that would.
Result<Recipe> Allocate(const Recipe& base, std::span<const Item> items, uint64_t budget, const ArtifactSize& size);

}  // namespace hasten::calib
