// What several forms of the report look up or spell alike.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calib/gate/report.h"

namespace hasten::report {

const gate::File* FileOf(const gate::Report& report, const std::string& role);   // null when absent
std::optional<double> MetricValue(const gate::Report& report, const std::string& key);
// The criterion whose name is `name` or ends in ".name"; null when absent.
const gate::Criterion* CriterionNamed(const gate::Report& report, const std::string& name);
// Limits on percentiles of a quantity of the load: "ttft_ms.p50", ….
std::vector<const gate::Criterion*> LimitsOn(const gate::Report& report, const std::string& quantity);
double PercentOf(const std::string& criterion_name);   // 50 of "ttft_ms.p50"

// "time to first token, ms"
std::string QuantityName(const std::string& quantity);
// "0.012 to 0.02"; "" without an interval.
std::string IntervalText(const std::optional<gate::Interval>& interval);
std::string LimitText(const gate::Criterion& criterion);   // "≤ 0.01 nats"
// "4 of 7 criteria passed, 1 failed, 2 inconclusive"
std::string CountsText(const gate::Report& report);

// Failed first, then inconclusive, then passed; otherwise in the policy's order.
std::vector<const gate::Criterion*> ByUrgency(const gate::Report& report);

}  // namespace hasten::report
