// Reports of one policy over time: how every criterion and metric went, and what
// got worse from the last but one to the last.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "calib/gate/report.h"

namespace hasten::report {

enum class Change {
  kSame,        // within the intervals of both; a single figure within a twentieth
  kBetter,      // beyond them, or a better verdict
  kWorse,
  kUnknown,     // not in both
};

struct Trend {
  std::string name;                              // "chat quality.kld_mean_max", or a metric's key
  bool judged = false;                           // a criterion
  std::vector<std::optional<double>> values;     // a report each
  std::vector<std::string> verdicts;             // of a criterion; "" where it was not judged
  Change change = Change::kUnknown;
  std::string why;                               // one line when better, worse or unknown
};

struct Comparison {
  std::vector<std::string> names;                // of the candidates
  std::vector<std::string> warnings;             // why figures may not compare
  std::vector<Trend> trends;
  bool worse = false;                            // of a criterion, or of the verdict
};

// At least two reports, the oldest first.
Comparison Compare(std::span<const gate::Report> reports);

// For people, in columns; and as JSON.
std::string ComparisonText(const Comparison& comparison);
std::string ComparisonJson(const Comparison& comparison);

}  // namespace hasten::report
