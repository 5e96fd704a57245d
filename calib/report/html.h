// The report as one HTML file: no script, no network, light and dark, narrow and
// wide. A policy in the file itself forbids the browser to load or run anything, so
// that text from a model cannot even if an escape were missing.
#pragma once

#include <span>
#include <string>

#include "calib/gate/report.h"

namespace hasten::report {

// `others`: earlier reports, whose artifacts are drawn beside this one's by size and quality.
std::string HtmlPage(const gate::Report& report, std::span<const gate::Report> others = {});

}  // namespace hasten::report
