// Judges what was measured against the policy's budgets: a criterion each.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calib/gate/report.h"
#include "calib/load/latency_report.h"
#include "calib/load/summary.h"

namespace hasten::load {

struct Budgets {
  std::vector<Limit> limits;                      // of the candidate's percentiles
  std::optional<double> good_share_min;           // share of requests that meet every limit
  std::optional<double> baseline_ratio_max;       // of every limited percentile, over the baseline's
  std::optional<double> cost_per_1k_requests_max, cost_per_1m_tokens_max;   // need a price
  std::optional<double> peak_rss_mb_max, load_ms_max, artifact_mb_max;
};

// Subject 0 of the report is the candidate. Statistical criteria pass when the bound
// clears the limit, fail when the other bound lies beyond it, and are inconclusive
// otherwise or without enough requests; `p_failure` is not adjusted here. Costs and
// resources are single figures: they pass or fail, and what was not measured is
// inconclusive.
std::vector<gate::Criterion> Judge(const LatencyReport& report, const Budgets& budgets, const std::string& surface);

// How a limit is named: "ttft_ms.p95".
std::string NameOf(const Limit& limit);

}  // namespace hasten::load
