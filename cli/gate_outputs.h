// What `hasten gate` leaves behind and reads again: the report in all its forms, the
// quality card, and earlier reports to compare with. Deciding is calib/gate.
#pragma once

#include <string>
#include <vector>

#include "calib/gate/report.h"
#include "cli/command.h"
#include "runtime/base/status.h"

namespace hasten::cli {

struct GateOutputs {
  std::string report;       // --report: a folder, "" for none
  std::string card;         // --write-card: the copy, "" for none
  bool json = false;        // --json: the report on stdout, else the criteria as a table
};

void AddGateOutputs(CLI::App& app, GateOutputs& outputs);
// Before minutes of measuring: that the outputs can be, as far as can be known.
Status CheckGateOutputs(const std::string& candidate, const GateOutputs& outputs);
// Writes what was asked for; `candidate` is the artifact that was judged. The verdict
// is printed even when a file cannot be written.
Status WriteGateOutputs(const gate::Report& report, const std::string& candidate, const GateOutputs& outputs, const Context& context);

// `hasten gate --compare old.json new.json`: exit status 1 when something got worse.
// With --report the last of them is drawn again, the others' artifacts beside it.
Result<int> CompareReports(const std::vector<std::string>& paths, const GateOutputs& outputs);

}  // namespace hasten::cli
