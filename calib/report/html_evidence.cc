// Figures of the page: plots, latency, tasks, metrics, noise, files.
#include <algorithm>
#include <map>

#include "calib/report/figures.h"
#include "calib/report/html_parts.h"
#include "calib/report/plots.h"
#include "calib/report/text.h"
#include "runtime/base/status.h"

namespace hasten::report {
namespace {

using gate::Report;

std::string Key(const char* kind, const std::string& name) { return StrCat("<span class=\"key\"><i class=\"", kind, "\"></i>", name, "</span> "); }

std::string Figure(const std::string& title, const std::string& keys, const std::string& plot, const std::string& caption) {
  if (plot.empty()) return "";
  return StrCat("<figure><h3>", title, "</h3><p class=\"keys\">", keys, "</p>", plot, "<figcaption>", caption, "</figcaption></figure>\n");
}

std::string Percent(double share) { return Number(100 * share) + "%"; }
std::string Count(int64_t n) { return Number(static_cast<double>(n)); }

std::string SubjectKeys(const Report& r) {
  std::string keys;
  for (size_t i = 0; i < r.latency.subjects.size(); ++i) keys += Key(i == 0 ? "candidate" : "reference", Html(r.latency.subjects[i].name));
  return keys;
}

std::string Megabytes(int64_t bytes) { return bytes > 0 ? Number(static_cast<double>(bytes) / 1e6) + " MB" : "\xE2\x80\x93"; }

// A row a figure, a column a subject.
std::string SubjectTable(const Report& r) {
  std::vector<std::string> head = {"&nbsp;"};
  std::vector<std::vector<std::string>> rows;
  for (const auto& s : r.latency.subjects) head.push_back(Html(s.name));
  const auto row = [&](const std::string& name, const auto& value) {
    std::vector<std::string> cells = {name};
    for (const auto& s : r.latency.subjects) cells.push_back(value(s));
    rows.push_back(std::move(cells));
  };
  using S = load::Subject;
  const std::string money = r.latency.currency.empty() ? "" : ", " + Html(r.latency.currency);
  row("requests measured", [](const S& s) { return Count(s.requests); });
  row("met every limit", [](const S& s) { return Count(s.good); });
  row("failed", [](const S& s) { return s.failed ? StrCat(Count(s.failed), "<br><small>", Html(Shorten(s.error, 120)), "</small>") : Count(0); });
  row("goodput, requests/s", [](const S& s) { return Number(s.goodput_per_s); });
  row("busy, of the time measured", [](const S& s) { return s.seconds > 0 ? Percent(s.busy_seconds / s.seconds) : "\xE2\x80\x93"; });
  row("device seconds per 1,000 requests", [](const S& s) { return Number(s.device_seconds_per_1k_requests); });
  row("device seconds per million tokens", [](const S& s) { return Number(s.device_seconds_per_1m_tokens); });
  row("cost per 1,000 requests" + money, [](const S& s) { return Number(s.cost_per_1k_requests); });
  row("cost per million tokens" + money, [](const S& s) { return Number(s.cost_per_1m_tokens); });
  row("peak memory", [](const S& s) { return Megabytes(s.peak_rss_bytes); });
  row("artifact", [](const S& s) { return Megabytes(s.artifact_bytes); });
  row("load, ms", [](const S& s) { return Number(s.load_ms); });
  row("generator's lag at most, ms", [](const S& s) { return Number(s.generator_lag_ms); });
  return HtmlTable(head, rows, 1);
}

std::string PercentileCell(const load::Percentile& p) {
  if (!p.value) return StrCat("<span class=\"none\" title=\"", p.n, " requests do not bound it\">\xE2\x80\x93</span>");
  return StrCat(Number(p.value), p.high ? StrCat("<br><small>", Number(p.low), " to ", Number(p.high), "</small>") : "");
}

// Percentiles of one subject: a row for each quantity; those of all requests, then
// by prompt length.
std::string PercentileTables(const load::Subject& s) {
  std::vector<std::vector<std::string>> all, sliced;
  for (const auto& p : s.percentiles) {
    auto& rows = p.slice == "all" ? all : sliced;
    const std::vector<std::string> first = {Html(QuantityName(p.quantity)), Html(p.slice)};
    if (rows.empty() || rows.back()[0] != first[0] || rows.back()[1] != first[1]) rows.push_back({first[0], first[1], Count(p.n)});
    rows.back().push_back(PercentileCell(p));
  }
  const std::vector<std::string> head = {"", "prompt tokens", "n", "p50", "p90", "p95", "p99", "largest"};
  return StrCat(HtmlTable(head, all, 2), sliced.empty() ? "" : StrCat("<details><summary>By prompt length</summary>", HtmlTable(head, sliced, 2), "</details>"));
}

std::string ComparisonTable(const Report& r) {
  if (r.latency.comparisons.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const auto& c : r.latency.comparisons) {
    rows.push_back({StrCat(Html(QuantityName(c.quantity)), c.surface.empty() ? "" : StrCat("<br><small>", Html(c.surface), "</small>")), StrCat("p", Number(c.percent)), Number(c.ratio), StrCat(Number(c.low), " to ", Number(c.high)), Count(c.n)});
  }
  return "<h3>Candidate over baseline</h3>" + HtmlTable({"", "", "ratio", "95% bounds", "n"}, rows, 2);
}

}  // namespace

std::string PlotsSection(const Report& r, std::span<const Report> others) {
  const std::string both = Key("reference", "reference") + Key("candidate", "candidate");
  std::string figures = Figure("KL divergence", Key("candidate", "positions"), KldHistogram(r), "How far the candidate's next-token distribution is from the reference's, by position.");
  figures += Figure("Calibration", both, CalibrationPlot(r), "On the dotted line, a token given 80% comes 80% of the time.");
  figures += Figure("Error by layer", Key("candidate", "keys") + Key("second", "values"), LayerPlot(r), "Cached keys and values against the reference's: root of sums of squares, relative.");
  figures += Figure("Size and quality", Key("candidate", "this candidate") + Key("reference", "others"), SizeQualityPlot(r, others), "Lower left is better. The reference has no divergence from itself.");
  for (const char* quantity : {"ttft_ms", "tpot_ms", "e2e_ms"}) {
    std::string title = QuantityName(quantity);
    title = title.substr(0, title.find(','));
    title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
    figures += Figure(title, SubjectKeys(r), LatencyPlot(r, quantity), "Share of requests that took at most so long. Dotted: limits; a curve has to pass above the mark.");
  }
  return HtmlSection("plots", "At a glance", "", figures.empty() ? "" : "<div class=\"figures\">" + figures + "</div>");
}

std::string LatencySection(const Report& r) {
  std::string body;
  if (!r.latency.subjects.empty()) body = SubjectTable(r);
  for (const auto& s : r.latency.subjects) body += StrCat("<details", &s == &r.latency.subjects[0] ? " open" : "", "><summary>Percentiles of the ", Html(s.name), "</summary>", PercentileTables(s), "</details>");
  body += ComparisonTable(r);
  if (body.empty() && !r.latency.note.empty()) body = " ";
  return HtmlSection("latency", "Latency and cost", Html(r.latency.note), body);
}

std::string TasksSection(const Report& r) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& t : r.tasks) {
    rows.push_back({Html(t.name), Count(t.items), Percent(t.reference_accuracy_norm), Percent(t.candidate_accuracy_norm), Percent(t.reference_accuracy),
                    Percent(t.candidate_accuracy), Count(t.only_reference_right), Count(t.only_candidate_right), Number(t.mcnemar_p)});
  }
  if (rows.empty()) return "";
  return HtmlSection("tasks", "Tasks", "Multiple choice by log likelihood. Lost: only the reference was right; won: only the candidate.",
                     HtmlTable({"", "items", "reference", "candidate", "reference, raw", "candidate, raw", "lost", "won", "McNemar p"}, rows, 1));
}

std::string MetricsSection(const Report& r) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& m : r.metrics) rows.push_back({StrCat("<code>", Html(m.key), "</code>"), Html(m.description), Number(m.value), IntervalText(m.interval)});
  return rows.empty() ? "" : HtmlSection("metrics", "All metrics", "", HtmlTable({"", "", "value", "interval"}, rows, 2));
}

std::string NoiseSection(const Report& r) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& n : r.noise) {
    const bool broken = n.must_be_zero && n.largest_difference != 0;
    rows.push_back({StrCat(Html(n.name), n.note.empty() ? "" : StrCat("<br><small>", Html(n.note), "</small>")), n.must_be_zero ? "exactly 0" : "says how much",
                    Count(n.tokens), StrCat(broken ? "<strong class=\"fail\">" : "<span>", Number(n.largest_difference), broken ? "</strong>" : "</span>")});
  }
  return rows.empty() ? "" : HtmlSection("noise", "Noise floor", "What repeating the measurement changes.", HtmlTable({"", "asked", "tokens", "largest difference"}, rows, 2));
}

std::string FilesSection(const Report& r) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& f : r.files) rows.push_back({Html(f.role), Html(f.name), StrCat("<code class=\"digest\">", Html(f.sha256), "</code>"), Count(f.bytes)});
  if (rows.empty()) return "";
  const auto& s = r.seconds;
  std::string time;
  for (const auto& [name, value] : {std::pair{"reference", s.reference}, {"candidate", s.candidate}, {"tasks", s.tasks}, {"noise floor", s.noise}, {"latency", s.latency}}) {
    if (value > 0) time += StrCat(time.empty() ? "" : ", ", name, " ", Number(value), " s");
  }
  return HtmlSection("files", "What was judged", s.total > 0 ? StrCat("Took ", Number(s.total), " s", time.empty() ? "" : ": ", time, ".") : "",
                     HtmlTable({"role", "file", "SHA-256", "bytes"}, rows, 3));
}

}  // namespace hasten::report
