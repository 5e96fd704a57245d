// Metrics: a number from the scored positions of a text. The table is
// metrics.def, a row each; reports, their JSON and policies iterate it.
#pragma once

#include <span>
#include <string_view>

#include "calib/metrics/score.h"
#include "calib/stats/bootstrap.h"

namespace hasten::calib {

struct Metric {
  std::string_view key;          // in JSON
  std::string_view stem;         // in a policy; "": not judged
  std::string_view description;  // in one line, with the unit
  double (*term)(const TokenScore& s);
  double (*finish)(double mean);  // null for a quantile
  double share = 0;               // of a quantile
  bool of_outputs = false;        // needs no next token: encoders have it too
};

std::span<const Metric> AllMetrics();
// By key; never null for a row of the table.
const Metric* FindMetric(std::string_view key);

// Of at least one score. A NaN term gives NaN.
double Compute(const Metric& metric, std::span<const TokenScore> scores);

// The metric over resampled documents; `document` has each score's, numbered from 0 to
// documents - 1, every one with at least one score. Both must outlive the statistic.
stats::ClusterStatistic OverDocuments(const Metric& metric, std::span<const TokenScore> scores, std::span<const int32_t> document,
                                      int64_t documents);

}  // namespace hasten::calib
