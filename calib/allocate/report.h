// What a sensitivity analysis found: as JSON, as Markdown, and the frontier of
// bytes against predicted divergence as an SVG picture.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "calib/allocate/items.h"
#include "runtime/base/status.h"

namespace hasten::calib {

struct FrontierPoint {
  uint64_t bytes = 0;      // of the artifact
  double kld = 0;          // predicted
  std::vector<std::pair<std::string, int>> schemes;   // how many items got each
};

// Best allocations at budgets from the least to the most that the items can take.
std::vector<FrontierPoint> FrontierOf(std::span<const Item> items, uint64_t other_bytes);

// Writes sensitivity.json, sensitivity.md and frontier.svg into a folder, which is made.
Status WriteSensitivityReport(const std::string& folder, std::span<const Item> items, uint64_t other_bytes);
std::string SensitivityJson(std::span<const Item> items, std::span<const FrontierPoint> frontier);

}  // namespace hasten::calib
