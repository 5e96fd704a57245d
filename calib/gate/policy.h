// The policy: what a release has to hold to, written down before it is measured. TOML;
// docs/gate.md describes every key, and its digest stands in the report. A key that is
// not known, or cannot hold, is kUsage with the nearest right one: a misspelt limit must
// not be a limit that nobody checks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::gate {

// A limit of a percentile: ttft_ms = { p95 = 300 }.
struct Budget {
  std::string quantity;         // "ttft_ms", "tpot_ms", "itl_ms", "e2e_ms", "queue_ms", "prefill_ms"
  double percent = 0;           // 50, 90, 95, 99, 100 for max
  double limit = 0;
  std::string Name() const;     // "ttft_ms.p95"
};

// A limit of one figure. The name says which side: "_max" or "_min".
struct Limit {
  std::string name;             // as in the policy
  std::string figure;           // a metric's key, or the name without its ending
  bool at_most = true;
  double value = 0;
};

struct Workload {               // an open loop with Poisson arrivals
  double arrivals_per_s = 0.3;
  int64_t prompt_tokens_min = 64, prompt_tokens_max = 512;
  int64_t output_tokens = 64;
  int64_t requests = 0;         // 0: as many as the budgets' percentiles need
  int64_t warmup = 3;           // requests left out
  int64_t sequences = 8;        // that an artifact serves at once
};

struct TaskLimit {
  std::string name;
  double margin_pp = 0;         // percentage points of accuracy that may be lost
  int64_t items = 0;            // 0: all of the file
  bool normalized = true;       // judged by log likelihood a character
};

struct Surface {
  std::string name;
  std::optional<Workload> workload;
  std::vector<Budget> budgets;
  std::vector<Limit> resources;     // load_ms, peak_rss_mb, artifact_mb, goodput, cost_per_1m_tokens, cost_per_1k_requests, baseline_ratio
  std::vector<Limit> quality;       // of metrics.def
  std::vector<Limit> generation;    // divergent, length_ratio, repetition, finish_changed
  std::vector<TaskLimit> tasks;
};

struct TaskFile {
  std::string name, path;
};

struct PolicyData {
  std::string text;                 // path, from the policy's folder
  int64_t context = 512, chunks = 40;
  std::vector<TaskFile> tasks;
  int64_t prompts = 32, prompt_tokens = 32, output_tokens = 32;   // of greedy generation
};

struct Policy {
  std::string digest;               // SHA-256 of the file
  PolicyData data;
  double price_per_hour = 0;        // of the machine; 0: costs are not given
  std::string currency = "USD";
  std::vector<Surface> surfaces;
};

// `folder`: of the file, "" for none; relative paths start there.
Result<Policy> ParsePolicy(std::string_view text, const std::string& folder);
Result<Policy> ReadPolicy(const std::string& path);
// A commented policy to start from: `hasten gate --init`.
std::string_view DefaultPolicy();

}  // namespace hasten::gate
