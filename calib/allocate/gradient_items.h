// What rounding an item would cost, by gradients (calib/grad/predict.h).
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "calib/allocate/items.h"
#include "calib/data/chunks.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

// The predicted divergence of each item when it alone is rounded to nearest in `probe`. Memory
// beside the model: the values of one sample, and a byte a weight. kUsage without logits.
Result<std::vector<double>> PredictItems(ir::Graph& graph, const Chunks& samples, std::span<const Item> items, Scheme probe,
                                         const std::atomic<bool>* cancel, ThreadPool& pool);

}  // namespace hasten::calib
