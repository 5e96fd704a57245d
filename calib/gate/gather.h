// Gathers the evidence, a stage at a time; each says what it needs and takes what it can
// from the cache.
#pragma once

#include "calib/gate/evidence.h"

namespace hasten::gate {

// Which parts of the evidence the chosen surfaces need.
struct Needs {
  bool text = false, generation = false;
  std::map<std::string, int64_t> tasks;   // by name: items, 0 for all
};
Result<Needs> NeedsOf(const Policy& policy, const GateOptions& options);

// Opens candidate and reference, reads the text and its separation from the calibration
// data. Fills report.files and what is known of the candidate.
Result<Evidence> OpenAll(const Policy& policy, const Needs& needs, const GateOptions& options, Report& report);
Status ScoreText(Evidence& e, const GateOptions& options, Report& report);
Status ScoreTasks(Evidence& e, const Policy& policy, const Needs& needs, const GateOptions& options, Report& report);
Status Generate(Evidence& e, const Policy& policy, const GateOptions& options, Report& report);

}  // namespace hasten::gate
