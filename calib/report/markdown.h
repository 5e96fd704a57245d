// The report as Markdown, short enough to be read in a pull request.
#pragma once

#include <string>

#include "calib/gate/report.h"

namespace hasten::report {

std::string MarkdownText(const gate::Report& report);

}  // namespace hasten::report
