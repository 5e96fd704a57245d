// From figures to criteria, and from criteria to the verdict.
#pragma once

#include <functional>
#include <string>

#include "calib/gate/policy.h"
#include "calib/gate/report.h"
#include "calib/stats/bootstrap.h"
#include "calib/stats/paired.h"

namespace hasten::gate {

// What stands behind an estimate.
struct Support {
  const stats::Bootstrap* bootstrap = nullptr;   // null: fewer than two clusters, or none is defined
  double estimate = 0;                           // where there is no bootstrap
  int64_t n = 0, clusters = 0;
  bool extreme = false;                          // of what was seen only (a maximum): no interval
};

// A figure against its limit. FAIL is put into p_failure and decided by Conclude, where
// all claims of failure are known.
Criterion JudgeFigure(const std::string& surface, const std::string& group, const std::string& prefix, const Limit& limit,
                      const std::string& unit, const Support& support);
// Accuracy lost in a task, in percentage points.
Criterion JudgeTask(const std::string& surface, const TaskLimit& limit, const stats::PairedCounts& counts);
// Something that has to hold without statistics.
Criterion HardCheck(const std::string& surface, const std::string& name, bool holds, std::string reason, int64_t n);
// A criterion that could not be measured: inconclusive, with why.
Criterion NotMeasured(const std::string& surface, const std::string& group, const std::string& name, const Limit& limit, std::string why);

// Holm over the claims of failure, then the report's verdict and reason.
void Conclude(Report& report);

// Two-sided 90%: its ends are the one-sided bounds at 95%.
Interval IntervalOf(const stats::Bootstrap& bootstrap);

}  // namespace hasten::gate
