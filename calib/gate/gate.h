// The release decision: evidence is gathered, judged by the policy and reported.
// Whatever goes wrong on the way is a Status, never a pass.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "calib/abi/artifact.h"
#include "calib/gate/policy.h"
#include "calib/gate/report.h"
#include "runtime/base/status.h"

namespace hasten::gate {

struct GateOptions {
  std::string reference;           // a model; may be "" beside reference_logits
  std::string reference_logits;    // a safetensors file (calib/eval/logits_file.h), or ""
  std::string candidate, policy;
  std::string surface;             // only this one; "": all
  std::string cache;               // folder of kept results, "": none
  bool resume = false;             // take the candidate's results from the cache as well
  int threads = 1;
  calib::Place place;              // of the candidate; the reference runs on the CPU
  std::string tool_version;
  // Stages as they begin, and progress within them; may be null.
  std::function<void(std::string_view)> stage;
  std::function<void(int64_t done, int64_t total)> update;
  // A line for people, now; may be null.
  std::function<void(std::string_view line)> note;
  // Measures latency on a surface with a workload or limits of resources: fills report.latency and adds the
  // criteria of its budgets. Null: they stay inconclusive.
  std::function<Status(const Policy& policy, const Surface& surface, Report& report)> latency;
  const std::atomic<bool>* cancel = nullptr;
};

// kUsage for a policy or an option that cannot be, kBadInput for bad data, kUnsupported,
// kResource, kCancelled.
Result<Report> RunGate(const GateOptions& options);

}  // namespace hasten::gate
