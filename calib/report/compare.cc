#include "calib/report/compare.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "calib/report/figures.h"
#include "calib/report/text.h"
#include "runtime/base/status.h"

namespace hasten::report {
namespace {

using gate::Criterion;
using gate::Report;
using gate::Verdict;

// PASS is better than INCONCLUSIVE, which is better than FAIL.
int Rank(Verdict v) { return v == Verdict::kPass ? 2 : v == Verdict::kInconclusive ? 1 : 0; }

const Criterion* Find(const Report& r, const Criterion& like) {
  for (const Criterion& c : r.criteria) if (c.surface == like.surface && c.name == like.name) return &c;
  return nullptr;
}

// A single figure (memory, a load time) is never the same twice: a twentieth on either
// side is taken for noise.
gate::Interval Around(const std::optional<gate::Interval>& interval, double estimate) {
  const double slack = 0.05 * std::abs(estimate);
  return interval.value_or(gate::Interval{estimate - slack, estimate + slack, 0});
}

void Judge(const Criterion* before, const Criterion* after, Trend& t) {
  if (!before || !after) return t.why = after ? "new" : "no longer judged", void();
  if (before->margin != after->margin) t.why = StrCat("the limit changed from ", Number(before->margin), " to ", Number(after->margin));
  if (Rank(after->verdict) != Rank(before->verdict)) {
    t.change = Rank(after->verdict) < Rank(before->verdict) ? Change::kWorse : Change::kBetter;
    t.why = StrCat(gate::VerdictName(before->verdict), " became ", gate::VerdictName(after->verdict), t.why.empty() ? "" : ": " + t.why);
    return;
  }
  if (!before->estimate || !after->estimate) return;
  const gate::Interval a = Around(before->interval, *before->estimate), b = Around(after->interval, *after->estimate);
  t.change = Change::kSame;
  if (b.low > a.high) t.change = after->at_most ? Change::kWorse : Change::kBetter;
  if (b.high < a.low) t.change = after->at_most ? Change::kBetter : Change::kWorse;
  if (t.change != Change::kSame) t.why = StrCat("from ", Number(before->estimate), " to ", Number(after->estimate), ", beyond what both leave open");
}

void AddCriteria(std::span<const Report> reports, Comparison& out) {
  const Report &before = reports[reports.size() - 2], &after = reports.back();
  std::vector<Criterion> all = after.criteria;
  for (const Criterion& c : before.criteria) if (!Find(after, c)) all.push_back(c);
  for (const Criterion& c : all) {
    Trend t{.name = StrCat(c.surface, " ", c.name), .judged = true};
    for (const Report& r : reports) {
      const Criterion* found = Find(r, c);
      t.values.push_back(found ? found->estimate : std::nullopt);
      t.verdicts.push_back(found ? gate::VerdictName(found->verdict) : "");
    }
    Judge(Find(before, c), Find(after, c), t);
    // What is no longer judged may have got worse unseen.
    out.worse |= t.change == Change::kWorse || !Find(after, c);
    out.trends.push_back(std::move(t));
  }
}

void AddMetrics(std::span<const Report> reports, Comparison& out) {
  for (const gate::Metric& m : reports.back().metrics) {
    Trend t{.name = m.key};
    for (const Report& r : reports) t.values.push_back(MetricValue(r, m.key));
    t.verdicts.assign(reports.size(), "");
    out.trends.push_back(std::move(t));
  }
}

void AddWarnings(std::span<const Report> reports, Comparison& out) {
  const Report &before = reports[reports.size() - 2], &after = reports.back();
  for (const gate::File& f : after.files) {
    if (f.role == "candidate") continue;
    const gate::File* old = FileOf(before, f.role);
    if (!old) out.warnings.push_back(StrCat("the older report has no ", f.role));
    else if (old->sha256 != f.sha256) out.warnings.push_back(StrCat("not the same ", f.role, ": ", old->name, " and ", f.name, " differ in content"));
  }
  if (before.tool_version != after.tool_version) out.warnings.push_back(StrCat("made by hasten ", before.tool_version, " and ", after.tool_version));
}

const char* ChangeName(Change c) {
  switch (c) {
    case Change::kSame: return "same";
    case Change::kBetter: return "better";
    case Change::kWorse: return "WORSE";
    case Change::kUnknown: return "";
  }
  return "";
}

}  // namespace

Comparison Compare(std::span<const Report> reports) {
  Comparison out;
  for (const Report& r : reports) {
    const gate::File* candidate = FileOf(r, "candidate");
    out.names.push_back(StrCat(candidate ? candidate->name : "?", " ", gate::VerdictName(r.verdict)));
  }
  AddWarnings(reports, out);
  AddCriteria(reports, out);
  AddMetrics(reports, out);
  out.worse |= Rank(reports.back().verdict) < Rank(reports[reports.size() - 2].verdict);
  return out;
}

std::string ComparisonText(const Comparison& c) {
  std::string out;
  for (size_t i = 0; i < c.names.size(); ++i) out += StrCat(i + 1, ": ", Clean(c.names[i]), "\n");
  for (const std::string& warning : c.warnings) out += StrCat("note: ", Clean(warning), "\n");
  size_t width = 0;
  for (const Trend& t : c.trends) width = std::max(width, t.name.size());
  const auto padded = [](std::string s, size_t to) { return s.size() < to ? s + std::string(to - s.size(), ' ') : s; };
  for (const bool judged : {true, false}) {
    out += judged ? "\nCriteria\n" : "\nMetrics\n";
    for (const Trend& t : c.trends) {
      if (t.judged != judged) continue;
      std::string line = "  " + padded(Clean(t.name), width);
      for (size_t i = 0; i < t.values.size(); ++i) {
        const std::string value = t.values[i] ? Number(t.values[i]) : "-";
        line += "  " + padded(t.verdicts[i].empty() ? value : StrCat(value, " ", t.verdicts[i]), judged ? 22 : 10);
      }
      line += StrCat("  ", ChangeName(t.change), t.why.empty() ? "" : StrCat(t.change == Change::kUnknown ? "" : ": ", Clean(t.why)));
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
  }
  return out + (c.worse ? "\nSomething got worse.\n" : "\nNothing judged got worse.\n");
}

std::string ComparisonJson(const Comparison& c) {
  nlohmann::ordered_json j = {{"worse", c.worse}, {"reports", c.names}, {"warnings", c.warnings}, {"trends", nlohmann::ordered_json::array()}};
  for (const Trend& t : c.trends) {
    nlohmann::ordered_json values = nlohmann::ordered_json::array();
    for (const auto& v : t.values) values.push_back(v ? nlohmann::ordered_json(*v) : nlohmann::ordered_json(nullptr));
    std::string change = t.change == Change::kWorse ? "worse" : ChangeName(t.change);
    j["trends"].push_back({{"name", t.name}, {"criterion", t.judged}, {"values", values}, {"verdicts", t.verdicts}, {"change", change}, {"why", t.why}});
  }
  return j.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace hasten::report
