#include "calib/report/html.h"

#include <cctype>

#include "calib/report/figures.h"
#include "calib/report/html_parts.h"
#include "calib/report/plots.h"
#include "calib/report/text.h"
#include "runtime/base/status.h"

namespace hasten::report {
namespace {

using gate::Report;
using gate::Verdict;

const char* VerdictClass(Verdict v) { return v == Verdict::kPass ? "pass" : v == Verdict::kFail ? "fail" : "open"; }
const char* VerdictMark(Verdict v) { return v == Verdict::kPass ? "\xE2\x9C\x93" : v == Verdict::kFail ? "\xE2\x9C\x95" : "?"; }

std::string Badge(Verdict v) {
  return StrCat("<span class=\"badge ", VerdictClass(v), "\"><span aria-hidden=\"true\">", VerdictMark(v), "</span> ", gate::VerdictName(v), "</span>");
}

// A long key may break after a dot or an underscore.
std::string Breakable(const std::string& name) {
  std::string out;
  for (const char c : Html(name)) {
    out += c;
    if (c == '.' || c == '_') out += "<wbr>";
  }
  return out;
}

std::string Header(const Report& r) {
  const gate::File* candidate = FileOf(r, "candidate");
  const gate::File* reference = FileOf(r, "reference");
  std::string facts;
  const auto fact = [&facts](const char* name, const std::string& value) {
    if (!value.empty()) facts += StrCat("<div><dt>", name, "</dt><dd>", Html(value), "</dd></div>");
  };
  fact("Candidate", candidate ? StrCat(candidate->name, ", ", Number(static_cast<double>(candidate->bytes) / 1e6), " MB") : "");
  fact("Recipe", r.weights);
  fact("Reference", reference ? reference->name : "");
  fact("Ran on", r.instruction_set.empty() ? "" : StrCat(r.instruction_set, ", ", r.threads, r.threads == 1 ? " thread" : " threads"));
  fact("Made by", StrCat("hasten ", r.tool_version));
  return StrCat("<header class=\"", VerdictClass(r.verdict), "\"><p class=\"eyebrow\">hasten gate</p><h1>", Badge(r.verdict), " ",
                Html(candidate ? candidate->name : "candidate"), "</h1><p class=\"reason\">", Html(r.reason), "</p><p class=\"counts\">", CountsText(r),
                "</p><dl class=\"facts\">", facts, "</dl></header>\n");
}

}  // namespace

std::string HtmlTable(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows, size_t numbers) {
  const auto row = [numbers](const std::vector<std::string>& cells, const char* tag) {
    std::string out = "<tr>";
    for (size_t i = 0; i < cells.size(); ++i) out += StrCat("<", tag, i >= numbers ? " class=\"number\">" : ">", cells[i], "</", tag, ">");
    return out + "</tr>\n";
  };
  std::string out = "<div class=\"scroll\"><table><thead>" + row(head, "th") + "</thead><tbody>\n";
  for (const auto& cells : rows) out += row(cells, "td");
  return out + "</tbody></table></div>\n";
}

std::string HtmlSection(const char* id, const std::string& title, const std::string& lead, const std::string& body) {
  if (body.empty()) return "";
  return StrCat("<section id=\"", id, "\"><h2>", title, "</h2>", lead.empty() ? "" : StrCat("<p class=\"lead\">", lead, "</p>"), "\n", body, "</section>\n");
}

// A row of a table where the page is wide, a card where it is narrow: every cell
// names its column by itself.
std::string CriteriaSection(const Report& r) {
  std::string rows;
  for (const gate::Criterion* c : ByUrgency(r)) {
    const auto cell = [](const char* label, const char* kind, const std::string& value) {
      return StrCat("<td class=\"", kind, "\" data-label=\"", label, "\">", value, "</td>");
    };
    rows += StrCat("<tr class=\"", VerdictClass(c->verdict), "\">");
    rows += cell("", "verdict", Badge(c->verdict));
    rows += cell("", "name", StrCat("<strong>", Breakable(c->name), "</strong><br><small>", Html(c->surface), " \xC2\xB7 ", Html(c->group), "</small>"));
    rows += cell("", "where", CriterionStrip(*c));
    rows += cell("Measured", "number", StrCat(Number(c->estimate), c->interval ? StrCat("<br><small>", IntervalText(c->interval), "</small>") : ""));
    rows += cell("Limit", "number", Html(LimitText(*c)));
    rows += cell("n", "number", StrCat(Number(static_cast<double>(c->n)), c->clusters ? StrCat("<br><small>", c->clusters, " documents</small>") : ""));
    rows += cell("", "why", Html(c->reason)) + "</tr>\n";
  }
  if (rows.empty()) rows = "<tr><td colspan=\"7\">The policy has no criterion: nothing was judged, and nothing passes.</td></tr>";
  return HtmlSection("criteria", "Criteria", "Every one has to pass. The dot is the estimate and the bar its interval; the shaded side of the mark is allowed.",
                     StrCat("<table class=\"criteria\"><thead><tr><th>Verdict</th><th>Criterion</th><th>Against the limit</th><th class=\"number\">Measured</th>"
                            "<th class=\"number\">Limit</th><th class=\"number\">n</th><th>Why</th></tr></thead><tbody>\n", rows, "</tbody></table>\n"));
}

std::string HtmlPage(const Report& r, std::span<const Report> others) {
  const gate::File* candidate = FileOf(r, "candidate");
  std::string page = StrCat("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
      gate::VerdictName(r.verdict), ": ", Html(candidate ? candidate->name : "candidate"), "</title>\n<style>", kStyle, "</style></head><body><main>\n");
  page += Header(r);
  for (const std::string& section : {CriteriaSection(r), PlotsSection(r, others), TasksSection(r), LatencySection(r), WorstSection(r),
                                     GenerationsSection(r), MetricsSection(r), NoiseSection(r), FilesSection(r)}) {
    page += section;
  }
  return page + "</main></body></html>\n";
}

}  // namespace hasten::report
