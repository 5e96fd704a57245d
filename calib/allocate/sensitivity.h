// What each scheme of each item would cost: the divergence of the model's logits
// when that item alone is quantized, all else in fp32. One probe an item (int4:64,
// rounded to nearest) is measured; other schemes are scaled from it by the squared
// error of the item's outputs, since the divergence is quadratic in a small
// perturbation. Costs are taken to add up.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "calib/allocate/items.h"
#include "calib/data/chunks.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

// How an item's probe is judged: by an evaluation, or by gradients of the model as it is
// (calib/grad/predict.h), of all items in one pass.
enum class SensitivityMethod { kProbe, kGradient };
Result<SensitivityMethod> ParseSensitivityMethod(std::string_view name);   // kUsage, lists the names

struct SensitivityOptions {
  SensitivityMethod method = SensitivityMethod::kProbe;
  int64_t samples = 4, context = 256;   // of the calibration's, cut short
  int64_t stride = 2;                   // every so many rows of a second half are scored
  std::function<void(uint64_t done, uint64_t total)> update;   // items; may be null
  const std::atomic<bool>* cancel = nullptr;
};

// Fills errors and divergences of the items' choices. The same with any number of
// threads. Time, of probes: for each item the part of the model that follows it, for all
// tokens; of gradients: forward and backward for all tokens, and logits are needed (kUsage).
Status MeasureSensitivity(ir::Graph& graph, const Chunks& samples, const SensitivityOptions& options, ThreadPool& pool,
                          std::vector<Item>* items);

}  // namespace hasten::calib
