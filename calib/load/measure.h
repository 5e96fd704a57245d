// Measures an artifact under load, alone or in turns with a baseline: A B A B, so
// that a machine that gets slower (or warmer) does so for both. Each block opens its
// engine anew, warms it up and is measured by itself.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "calib/abi/artifact.h"
#include "calib/load/summary.h"

namespace hasten::load {

struct Target {
  std::string name;              // in the report: "candidate", "baseline"
  std::string artifact;          // one of these two is given
  std::string command;
};

struct MeasureOptions {
  Workload workload;
  Target candidate;              // an artifact
  std::optional<Target> baseline;
  std::string isa;               // of artifacts; "" for the best
  calib::Place place;            // of artifacts
  int threads = 0;               // of artifacts; 0: one a core
  int64_t sequences = 8;         // that an artifact serves at once
  std::vector<Limit> limits;
  std::optional<double> ratio_max;   // of the policy, for the baseline's comparison
  Price price;
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(int64_t done, int64_t total)> progress;   // requests sent; may be empty
};

// Requests that fail are part of the result; an engine that does not start is an error.
Result<LatencyReport> MeasureLatency(const MeasureOptions& options);

// Without load: opens the artifact and evaluates a few tokens once, for load time,
// memory and size. For encoders too.
Result<LatencyReport> MeasureOpening(const MeasureOptions& options);

// Block `block` of `blocks`: the warm-up, then that share of the measured requests,
// at the same distances as in the whole. At least 1 block, none empty if requests suffice.
std::vector<Request> BlockOf(const std::vector<Request>& requests, int64_t block, int64_t blocks);

}  // namespace hasten::load
