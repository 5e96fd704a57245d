// What the load generator measured: latencies by percentile with how many requests
// stand behind each, goodput, cost and resources. Part of the gate's report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hasten::load {

// One percentile of one quantity over one slice of the requests.
struct Percentile {
  std::string quantity;         // "ttft_ms", "tpot_ms", "itl_ms", "e2e_ms", "queue_ms", "prefill_ms"
  std::string slice;            // "all", or prompt lengths: "64-255"
  double percent = 0;           // 50, 90, 95, 99, 100 (the largest)
  std::optional<double> value, low, high;   // absent when n does not support it
  int64_t n = 0;                // requests
};

// What a distribution is drawn from.
struct Samples {
  std::string quantity;         // as above, but for itl_ms
  std::vector<double> values;   // ascending, of answered requests; beyond 500 evenly chosen ones
};

// What stands behind the verdict on a limit.
struct LimitCount {
  std::string quantity;
  double percent = 0, at_most_ms = 0;
  int64_t within = 0, n = 0;    // requests that kept it; for itl_ms, all of whose gaps did
  double p_beyond = 1;          // p-value of "the percentile is beyond the limit"
};

struct Subject {                // the candidate, or a baseline
  std::string name;
  std::vector<Percentile> percentiles;
  std::vector<Samples> samples;
  std::vector<LimitCount> limits;
  int64_t requests = 0, failed = 0;
  int64_t good = 0;             // met every limit
  int64_t tokens = 0;           // answered
  double seconds = 0;           // of the measured part
  double busy_seconds = 0;      // of it, with a request being worked on
  std::optional<double> goodput_per_s;       // requests that met every limit
  std::optional<double> device_seconds_per_1k_requests, device_seconds_per_1m_tokens;
  std::optional<double> cost_per_1k_requests, cost_per_1m_tokens;
  std::optional<double> generator_lag_ms;    // largest delay of a send
  std::optional<double> load_ms;
  int64_t peak_rss_bytes = 0, artifact_bytes = 0;   // 0: not known
  std::string error;            // of the first request that failed
};

// A percentile of the candidate over the same of the baseline, of the same requests.
struct Comparison {
  std::string surface;          // of the policy
  std::string quantity;
  double percent = 0;
  std::optional<double> ratio, low, high;    // paired bootstrap over requests, each bound 95%
  double p_beyond = 1;          // p-value of "beyond the policy's largest ratio"; 1 without one
  int64_t n = 0;
};

struct LatencyReport {
  std::string note;             // why it is empty, or how it was measured
  std::string currency;
  double arrivals_per_s = 0;
  std::vector<Subject> subjects;
  std::vector<Comparison> comparisons;
};

}  // namespace hasten::load
