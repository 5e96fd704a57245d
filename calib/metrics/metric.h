// Metrics: a number from the scored positions of a text. The table is
// metrics.def, a row each; the report of `hasten eval` and its JSON iterate it.
#pragma once

#include <span>
#include <string_view>

#include "calib/metrics/score.h"

namespace hasten::calib {

struct Metric {
  std::string_view key;          // in JSON
  std::string_view description;  // in one line, with the unit
  double (*compute)(std::span<const TokenScore>);  // of at least one score
};

std::span<const Metric> AllMetrics();

}  // namespace hasten::calib
