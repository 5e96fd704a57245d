#include "calib/report/markdown.h"

#include "calib/report/figures.h"
#include "calib/report/text.h"
#include "runtime/base/status.h"

namespace hasten::report {
namespace {

using gate::Report;

constexpr size_t kWorstShown = 5;      // the page has all
constexpr size_t kMostText = 120;      // bytes of what came before an item

std::string Criteria(const Report& r) {
  if (r.criteria.empty()) return "The policy has no criterion: nothing was judged, and nothing passes.\n";
  std::string out = "| Verdict | Criterion | Measured | Bounds | Limit | n | Why |\n|---|---|--:|--:|--:|--:|---|\n";
  for (const gate::Criterion* c : ByUrgency(r)) {
    out += StrCat("| **", gate::VerdictName(c->verdict), "** | ", Markdown(c->surface), " ", MarkdownCode(c->name), " | ", Number(c->estimate), " | ", IntervalText(c->interval),
                  " | ", Markdown(LimitText(*c)), " | ", Number(static_cast<double>(c->n)), " | ", Markdown(c->reason), " |\n");
  }
  return out;
}

std::string Folded(const std::string& title, const std::string& body) {
  return body.empty() ? "" : StrCat("\n<details><summary>", Html(title), "</summary>\n\n", body, "\n</details>\n");
}

std::string Latency(const Report& r) {
  std::string out;
  for (const auto& s : r.latency.subjects) {
    out += StrCat("| ", Markdown(s.name), " | p50 | p90 | p95 | p99 | largest |\n|---|--:|--:|--:|--:|--:|\n");
    std::string quantity;
    for (const auto& p : s.percentiles) {
      if (p.slice != "all") continue;
      if (p.quantity != quantity) out += StrCat(quantity.empty() ? "" : " |\n", "| ", Markdown(QuantityName(p.quantity)));
      quantity = p.quantity;
      out += " | " + Number(p.value);
    }
    out += StrCat(quantity.empty() ? "" : " |\n", "\n", s.requests, " requests, ", s.failed, " failed, ", s.good, " met every limit; goodput ", Number(s.goodput_per_s),
                  "/s; ", Number(s.device_seconds_per_1m_tokens), " device seconds per million tokens");
    if (s.cost_per_1m_tokens) out += StrCat(", ", Number(s.cost_per_1m_tokens), " ", Markdown(r.latency.currency));
    if (s.peak_rss_bytes > 0) out += StrCat("; peak memory ", Number(static_cast<double>(s.peak_rss_bytes) / 1e6), " MB");
    if (s.load_ms) out += StrCat("; loaded in ", Number(s.load_ms), " ms");
    out += ".\n\n";
  }
  return out.empty() ? "" : out + Markdown(r.latency.note) + "\n";
}

std::string Metrics(const Report& r) {
  if (r.metrics.empty()) return "";
  std::string out = "| Metric | Value | Bounds |\n|---|--:|--:|\n";
  for (const auto& m : r.metrics) out += StrCat("| ", MarkdownCode(m.key), " | ", Number(m.value), " | ", IntervalText(m.interval), " |\n");
  return out;
}

std::string Worst(const Report& r) {
  if (r.worst.empty()) return "";
  std::string out = "| Difference | Before | Came | Reference | Candidate |\n|--:|---|---|---|---|\n";
  for (size_t i = 0; i < std::min(kWorstShown, r.worst.size()); ++i) {
    const auto& w = r.worst[i];
    out += StrCat("| ", Number(w.difference), " ", Markdown(w.unit), " | ", MarkdownCode(ShortenFront(w.text, kMostText)), " | ", MarkdownCode(Shorten(w.expected, kMostText)), " | ",
                  MarkdownCode(Shorten(w.reference, kMostText)), " | ", MarkdownCode(Shorten(w.candidate, kMostText)), " |\n");
  }
  return out;
}

std::string Files(const Report& r) {
  if (r.files.empty()) return "";
  std::string out = "| | File | SHA-256 | Bytes |\n|---|---|---|--:|\n";
  for (const auto& f : r.files) out += StrCat("| ", Markdown(f.role), " | ", MarkdownCode(f.name), " | ", MarkdownCode(f.sha256), " | ", Number(static_cast<double>(f.bytes)), " |\n");
  return out;
}

}  // namespace

std::string MarkdownText(const Report& r) {
  const gate::File* candidate = FileOf(r, "candidate");
  std::string out = StrCat("## hasten gate: ", gate::VerdictName(r.verdict), candidate ? " for " + MarkdownCode(candidate->name) : "", "\n\n", Markdown(r.reason), "\n\n", CountsText(r), ".\n\n");
  out += Criteria(r);
  out += Folded("Latency and cost", Latency(r));
  out += Folded("Metrics", Metrics(r));
  out += Folded(StrCat("Worst items (", std::min(kWorstShown, r.worst.size()), " of ", r.worst.size(), ")"), Worst(r));
  out += Folded("What was judged", Files(r));
  return out + StrCat("\nhasten ", Markdown(r.tool_version), r.instruction_set.empty() ? "" : ", " + Markdown(r.instruction_set), ", ", r.threads, " threads.\n");
}

}  // namespace hasten::report
