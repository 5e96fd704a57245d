// Writes a report's files into a folder: report.json, report.md, junit.xml, report.html.
#pragma once

#include <span>
#include <string>

#include "calib/gate/report.h"
#include "runtime/base/status.h"

namespace hasten::report {

// Makes the folder when it is not there. Each file appears whole or not at all; the
// JSON comes last, so that one who finds it finds the others. kResource names what
// could not be written.
Status WriteReports(const gate::Report& report, const std::string& folder, std::span<const gate::Report> others = {});

// A report that was written before. kResource when it cannot be read, kBadInput when
// it is none; messages name the file.
Result<gate::Report> ReadReport(const std::string& path);

}  // namespace hasten::report
