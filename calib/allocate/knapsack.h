// The multiple-choice knapsack: a scheme for every item, the least predicted
// divergence within so many bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "calib/allocate/items.h"

namespace hasten::calib {

// The index of a choice for each item. Exact dynamic programming over bytes, in
// cells of a 65,536th of the budget; sizes are rounded up to cells, so that the sum
// of the chosen bytes never exceeds `bytes`. nullopt when the smallest do not fit.
std::optional<std::vector<size_t>> Knapsack(std::span<const Item> items, uint64_t bytes);

uint64_t LeastBytes(std::span<const Item> items);
uint64_t BytesOf(std::span<const Item> items, std::span<const size_t> chosen);
double PredictedKld(std::span<const Item> items, std::span<const size_t> chosen);

}  // namespace hasten::calib
