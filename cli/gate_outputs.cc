#include "cli/gate_outputs.h"

#include <filesystem>

#include "calib/gate/report_json.h"
#include "calib/report/card.h"
#include "calib/report/compare.h"
#include "calib/report/figures.h"
#include "calib/report/text.h"
#include "calib/report/write.h"
#include "cli/terminal.h"

namespace hasten::cli {
namespace {

// A line a criterion, what failed first; then the verdict.
std::string Summary(const gate::Report& r) {
  TextTable table;
  table.Row({"verdict", "criterion", "measured", "bounds", "limit", "n", "why"});
  for (const gate::Criterion* c : report::ByUrgency(r)) {
    table.Row({gate::VerdictName(c->verdict), report::Clean(StrCat(c->surface, " ", c->name)), report::Number(c->estimate), report::IntervalText(c->interval),
               report::Clean(report::LimitText(*c)), StrCat(c->n), report::Clean(c->reason)});
  }
  TextTable noise;
  noise.Row({"noise", "tokens", "largest difference", ""});
  for (const gate::NoiseCheck& n : r.noise) noise.Row({report::Clean(n.name), WithCommas(static_cast<uint64_t>(n.tokens)), report::Number(n.largest_difference), report::Clean(n.note)});
  return StrCat(table.Text(), "\n", r.noise.empty() ? "" : noise.Text() + "\n", gate::VerdictName(r.verdict), ": ", report::Clean(r.reason), "\n");
}

}  // namespace

void AddGateOutputs(CLI::App& app, GateOutputs& o) {
  app.add_option("--report", o.report, "Write report.json, report.md, junit.xml and report.html into this folder")->type_name("DIR");
  app.add_option("--write-card", o.card, "Write a copy of the candidate with the figures in it; hasten inspect shows them")->type_name("copy.hst");
  app.add_flag("--json", o.json, "Print the report as JSON");
}

Status CheckGateOutputs(const std::string& candidate, const GateOutputs& o) {
  std::error_code error;
  if (!o.card.empty() && std::filesystem::equivalent(candidate, o.card, error)) return UsageError("--write-card makes a copy of ", candidate, "; name another file");
  if (!o.report.empty() && std::filesystem::exists(o.report, error) && !std::filesystem::is_directory(o.report, error)) return UsageError("--report ", o.report, " is not a folder");
  return {};
}

Status WriteGateOutputs(const gate::Report& r, const std::string& candidate, const GateOutputs& o, const Context& context) {
  HST_RETURN_IF_ERROR(WriteOut(o.json ? gate::ReportToJson(r) : Summary(r)));
  if (!o.report.empty()) HST_RETURN_IF_ERROR(report::WriteReports(r, o.report));
  if (!o.card.empty()) HST_RETURN_IF_ERROR(report::WriteCard(r, candidate, o.card, context.interrupted));
  return {};
}

Result<int> CompareReports(const std::vector<std::string>& paths, const GateOutputs& o) {
  if (paths.size() < 2) return UsageError("--compare needs two reports at least: the older one, then the newer one");
  if (!o.card.empty()) return UsageError("--write-card takes the figures of a gate, and --compare runs none");
  std::vector<gate::Report> reports;
  for (const std::string& path : paths) {
    HST_ASSIGN_OR_RETURN(gate::Report report, report::ReadReport(path));
    reports.push_back(std::move(report));
  }
  const report::Comparison comparison = report::Compare(reports);
  HST_RETURN_IF_ERROR(WriteOut(o.json ? report::ComparisonJson(comparison) : report::ComparisonText(comparison)));
  if (!o.report.empty()) {
    const std::span<const gate::Report> others(reports.data(), reports.size() - 1);
    HST_RETURN_IF_ERROR(report::WriteReports(reports.back(), o.report, others));
  }
  return comparison.worse ? 1 : 0;
}

}  // namespace hasten::cli
