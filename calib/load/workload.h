// What is asked of an engine: requests that arrive as a Poisson process, whether
// or not the ones before have been answered. A function of the workload alone: the
// same seed asks the same of every engine, on every machine.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::load {

struct Workload {
  double arrivals_per_s = 0.3;
  int64_t prompt_min = 64, prompt_max = 1024;   // tokens; lengths are uniform in their logarithm
  int64_t output_tokens = 128;                  // each request's, whatever the model says
  int64_t requests = 40;                        // measured
  int64_t warmup = 4;                           // sent before them and not measured
  double timeout_s = 60;                        // from the intended send; later is a failure
  uint64_t seed = 1;
};

struct Request {
  int64_t id = 0;
  double at_s = 0;               // intended send, from the beginning
  std::vector<int32_t> prompt;
  int64_t output_tokens = 0;
  bool measured = true;
};

// Requests in order of arrival; the warm-up first. Ids of prompts are spread over
// the vocabulary: what they are does not change the time. kUsage names a value that
// is not possible, or that `max_positions` has no room for.
Result<std::vector<Request>> MakeRequests(const Workload& workload, int64_t vocab, int64_t max_positions);

}  // namespace hasten::load
