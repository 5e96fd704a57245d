// The quality card: what a gate found, in short, inside a copy of the artifact.
#pragma once

#include <atomic>
#include <string>

#include "calib/gate/report.h"
#include "runtime/base/status.h"

namespace hasten::report {

// JSON: version, the digests of what was gated and by which policy, the verdict, a row
// for each criterion, all metrics and tasks.
std::string CardJson(const gate::Report& report);

// Copies `artifact` to `target` with the report's card in it. kUsage when `artifact` is
// not the file that the report judged, by its digest, or `target` is the same file.
Status WriteCard(const gate::Report& report, const std::string& artifact, const std::string& target, const std::atomic<bool>* cancel = nullptr);

}  // namespace hasten::report
