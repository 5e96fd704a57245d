// The sections of the HTML page, each "" where the report has nothing for it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "calib/gate/report.h"

namespace hasten::report {

extern const char kStyle[];   // the style sheet

// A table in a frame that scrolls by itself where the page is narrow; cells are
// HTML already. Columns from `numbers` on are right-aligned.
std::string HtmlTable(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows, size_t numbers);
std::string HtmlSection(const char* id, const std::string& title, const std::string& lead, const std::string& body);

std::string CriteriaSection(const gate::Report& report);
std::string PlotsSection(const gate::Report& report, std::span<const gate::Report> others);
std::string LatencySection(const gate::Report& report);
std::string TasksSection(const gate::Report& report);
std::string WorstSection(const gate::Report& report);
std::string GenerationsSection(const gate::Report& report);
std::string MetricsSection(const gate::Report& report);
std::string NoiseSection(const gate::Report& report);
std::string FilesSection(const gate::Report& report);

}  // namespace hasten::report
