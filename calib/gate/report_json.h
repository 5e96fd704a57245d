// The report as JSON: written, read back, and its schema.
#pragma once

#include <string>
#include <string_view>

#include "calib/gate/report.h"
#include "runtime/base/status.h"

namespace hasten::gate {

// Indented by two spaces; keys in the order of report_fields.h. Text that is not
// UTF-8 gets replacement characters.
std::string ReportToJson(const Report& report);
// kBadInput names the place: a missing, unknown or wrongly typed field, another version.
Result<Report> ReportFromJson(std::string_view json);
// JSON Schema (draft 2020-12) of that form; docs/gate-report.schema.json is this text.
std::string ReportSchema();

}  // namespace hasten::gate
