// The report's plots, each an SVG element, or "" where the report has nothing to draw.
#pragma once

#include <span>
#include <string>

#include "calib/gate/report.h"

namespace hasten::report {

std::string KldHistogram(const gate::Report& report);
std::string CalibrationPlot(const gate::Report& report);
std::string LayerPlot(const gate::Report& report);
// Distribution of one quantity of the load ("ttft_ms") for every subject, with the
// policy's limits on it.
std::string LatencyPlot(const gate::Report& report, const std::string& quantity);
// Bytes against mean KL divergence: this report's candidate, and those of `others`.
std::string SizeQualityPlot(const gate::Report& report, std::span<const gate::Report> others);

// Where a criterion's estimate and interval lie beside its limit: a strip for a table.
std::string CriterionStrip(const gate::Criterion& criterion);

}  // namespace hasten::report
