// Judges what was measured against the policy's budgets: a criterion each.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calib/gate/policy.h"
#include "calib/gate/report.h"
#include "calib/load/latency_report.h"
#include "calib/load/summary.h"

namespace hasten::load {

struct Budgets {
  std::vector<Limit> limits;              // of the candidate's percentiles
  std::vector<gate::Limit> resources;     // figures of the policy: goodput_min, load_ms_max, …; baseline_ratio_max holds for every limited percentile
};

// Subject 0 of the report is the candidate. Statistical criteria pass when the bound
// clears the limit and are inconclusive otherwise or without enough requests; that they
// fail is claimed by p_failure and decided by gate::Conclude, which knows all claims.
// Largest values, costs and resources are
// single figures of what was measured: they pass or fail, and what was not measured is
// inconclusive.
std::vector<gate::Criterion> Judge(const LatencyReport& report, const Budgets& budgets, const std::string& surface);

// How a limit is named: "ttft_ms.p95", "ttft_ms.max".
std::string NameOf(const Limit& limit);

}  // namespace hasten::load
