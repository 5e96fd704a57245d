#include "calib/report/figures.h"

#include <algorithm>
#include <cstdlib>

#include "calib/report/text.h"
#include "runtime/base/status.h"

namespace hasten::report {

using gate::Criterion;
using gate::Report;
using gate::Verdict;

const gate::File* FileOf(const Report& report, const std::string& role) {
  const auto it = std::find_if(report.files.begin(), report.files.end(), [&](const gate::File& f) { return f.role == role; });
  return it == report.files.end() ? nullptr : &*it;
}

std::optional<double> MetricValue(const Report& report, const std::string& key) {
  for (const gate::Metric& m : report.metrics) if (m.key == key) return m.value;
  return std::nullopt;
}

const Criterion* CriterionNamed(const Report& report, const std::string& name) {
  for (const Criterion& c : report.criteria) if (c.name == name || c.name.ends_with("." + name)) return &c;
  return nullptr;
}

std::vector<const Criterion*> LimitsOn(const Report& report, const std::string& quantity) {
  std::vector<const Criterion*> limits;
  for (const Criterion& c : report.criteria) if (c.name.starts_with(quantity + ".p")) limits.push_back(&c);
  return limits;
}

double PercentOf(const std::string& name) {
  const size_t at = name.rfind(".p");
  return at == std::string::npos ? 0 : std::strtod(name.c_str() + at + 2, nullptr);
}

std::string QuantityName(const std::string& quantity) {
  if (quantity == "ttft_ms") return "time to first token, ms";
  if (quantity == "tpot_ms") return "time per output token, ms";
  if (quantity == "itl_ms") return "gap between tokens, ms";
  if (quantity == "e2e_ms") return "end to end, ms";
  if (quantity == "queue_ms") return "waiting in the queue, ms";
  if (quantity == "prefill_ms") return "reading the prompt, ms";
  return quantity;
}

std::string IntervalText(const std::optional<gate::Interval>& interval) {
  return interval ? StrCat(Number(interval->low), " to ", Number(interval->high)) : "";
}

std::string LimitText(const Criterion& c) {
  return StrCat(c.at_most ? "\xE2\x89\xA4 " : "\xE2\x89\xA5 ", Number(c.margin), c.unit.empty() ? "" : " ", c.unit);
}

std::string CountsText(const Report& report) {
  const auto count = [&](Verdict v) { return std::count_if(report.criteria.begin(), report.criteria.end(), [v](const Criterion& c) { return c.verdict == v; }); };
  return StrCat(count(Verdict::kPass), " of ", report.criteria.size(), " criteria passed, ", count(Verdict::kFail), " failed, ",
                count(Verdict::kInconclusive), " inconclusive");
}

std::vector<const Criterion*> ByUrgency(const Report& report) {
  const auto urgency = [](Verdict v) { return v == Verdict::kFail ? 0 : v == Verdict::kInconclusive ? 1 : 2; };
  std::vector<const Criterion*> order;
  for (const Criterion& c : report.criteria) order.push_back(&c);
  std::stable_sort(order.begin(), order.end(), [&](const Criterion* a, const Criterion* b) { return urgency(a->verdict) < urgency(b->verdict); });
  return order;
}

}  // namespace hasten::report
