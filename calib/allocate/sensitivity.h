// What each scheme of each item would cost: the divergence of the model's logits
// when that item alone is quantized, all else in fp32. One probe an item (int4:64,
// rounded to nearest) is measured; other schemes are scaled from it by the squared
// error of the item's outputs, since the divergence is quadratic in a small
// perturbation. Costs are taken to add up.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "calib/allocate/items.h"
#include "calib/data/chunks.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

struct SensitivityOptions {
  int64_t samples = 4, context = 256;   // of the calibration's, cut short
  int64_t stride = 2;                   // every so many rows of a second half are scored
  std::function<void(uint64_t done, uint64_t total)> update;   // items; may be null
  const std::atomic<bool>* cancel = nullptr;
};

// Fills errors and divergences of the items' choices. The same with any number of
// threads. Time: for each item the part of the model that follows it, for all tokens.
Status MeasureSensitivity(ir::Graph& graph, const Chunks& samples, const SensitivityOptions& options, ThreadPool& pool,
                          std::vector<Item>* items);

}  // namespace hasten::calib
