// A surface of the policy under load: what to measure, by its workload and budgets,
// and the verdicts on it.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "calib/gate/policy.h"
#include "calib/gate/report.h"
#include "calib/load/measure.h"

namespace hasten::load {

struct SurfaceOptions {
  std::string candidate;            // an artifact
  std::string baseline;             // an artifact, or
  std::string baseline_command;     // a command (docs/latency.md); neither: the candidate alone
  std::string isa;
  calib::Place place;               // of artifacts
  int threads = 0;
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(int64_t done, int64_t total)> progress;
};

// Whether the surface has anything for the load generator to do.
bool HasLoad(const gate::Surface& surface);

// Requests that the budgets ask for: a third more than their percentiles need, so that
// the bound is not the largest value; at least 20.
int64_t RequestsFor(const gate::Surface& surface);

// Measures the surface and appends to the report: subjects, comparisons, criteria.
// Where it has no workload the artifact is opened and evaluated once, for load time and memory.
Status AddSurface(const gate::Policy& policy, const gate::Surface& surface, const SurfaceOptions& options, gate::Report& report);

}  // namespace hasten::load
