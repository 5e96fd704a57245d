// From single requests to what the report says: percentiles with bounds by prompt
// length, goodput, cost, and the ratio to a baseline.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calib/load/generator.h"
#include "calib/load/latency_report.h"

namespace hasten::load {

inline constexpr double kPercents[] = {50, 90, 95, 99};

struct Limit {
  std::string quantity;         // a row of kQuantities
  double percent = 50;          // of requests that have to keep it
  double at_most_ms = 0;
};

struct Price {
  double per_hour = 0;          // of the machine; 0: not given
  std::string currency;
};

struct Measured {               // one subject, all its blocks
  std::string name;
  std::vector<Record> records;
  double seconds = 0, busy_s = 0;
  std::vector<double> load_ms;  // an opening each
  int64_t peak_bytes = 0, artifact_bytes = 0;
};

// Names of what is measured: ttft_ms, tpot_ms, itl_ms, e2e_ms, queue_ms, prefill_ms.
std::span<const char* const> Quantities();
bool IsQuantity(const std::string& name);

// A request keeps its promise when each quantity is within the limit of the
// highest percentile that names it: a limit on p50 is no promise to one request.
// A failed request never does. For itl_ms every gap counts.
bool MeetsAll(const Record& record, std::span<const Limit> limits);

// Value of a quantity for one request; infinity when it failed, absent when it has
// none (tpot_ms of one token). Not for itl_ms, of which a request has many.
std::optional<double> ValueOf(const Record& record, const std::string& quantity);

Percentile PercentileOf(std::span<const Record> records, const std::string& quantity, double percent);
Subject Summarize(const Measured& measured, std::span<const Limit> limits, const Price& price);
// Ratio of every percentile that both support; record i of both is the same request.
// `ratio_max`: of the policy, for p_beyond.
std::vector<Comparison> Compare(const Measured& candidate, const Measured& baseline, std::optional<double> ratio_max);

}  // namespace hasten::load
