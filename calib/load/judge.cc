#include "calib/load/judge.h"

#include <cmath>

#include "calib/load/order_statistics.h"

namespace hasten::load {
namespace {

using gate::Criterion;
using gate::Verdict;

// Normal quantiles of alpha = 0.05, one-sided, and of power 0.8.
constexpr double kAlpha = 1.645, kPower = 0.842;

std::string Number(double x) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, std::abs(x) < 100 ? "%.3g" : "%.0f", x);
  return buffer;
}

const Percentile* Find(const Subject& s, const Limit& limit) {
  for (const Percentile& p : s.percentiles) {
    if (p.slice == "all" && p.quantity == limit.quantity && p.percent == limit.percent) return &p;
  }
  return nullptr;
}

void SetInterval(const std::optional<double>& low, const std::optional<double>& high, Criterion& c) {
  if (low && high) c.interval = gate::Interval{*low, *high, 2 * kOneSided - 1};
  // The bound is kAlpha standard errors away; an effect of kAlpha + kPower is found with power 0.8.
  if (c.estimate && high) c.minimum_detectable_effect = (*high - *c.estimate) * (kAlpha + kPower) / kAlpha;
}

// Requests that would decide at this estimate, the interval shrinking with the root of n.
void SetNeeded(const std::optional<double>& low, const std::optional<double>& high, double at_most, int64_t least, Criterion& c) {
  c.n_to_decide = least;
  if (!c.estimate || !low || !high) return;
  const double distance = std::abs(at_most - *c.estimate), half = at_most >= *c.estimate ? *high - *c.estimate : *c.estimate - *low;
  if (distance <= 0) return c.n_to_decide.reset();
  const double needed = std::ceil(static_cast<double>(c.n) * std::pow(half / distance * (kAlpha + kPower) / kAlpha, 2));
  if (needed > 1e15) return c.n_to_decide.reset();
  c.n_to_decide = std::max(least, static_cast<int64_t>(needed));
}

// The verdict on "at most c.margin" by the two bounds.
void Decide(const std::optional<double>& low, const std::optional<double>& high, int64_t least, const char* what, Criterion& c) {
  const std::string limit = StrCat(Number(c.margin), c.unit.empty() ? "" : " ", c.unit);
  if (high && *high <= c.margin) {
    c.verdict = Verdict::kPass;
    c.reason = StrCat("at most ", Number(*high), " with 95% confidence, limit ", limit);
  } else if (low && *low > c.margin) {
    c.verdict = Verdict::kFail;
    c.reason = StrCat("at least ", Number(*low), " with 95% confidence, limit ", limit);
  } else {
    c.verdict = Verdict::kInconclusive;
    SetNeeded(low, high, c.margin, least, c);
    const std::string needed = c.n_to_decide ? StrCat(*c.n_to_decide) : "many more";
    if (c.n < least) c.reason = StrCat(c.n, " requests bound no ", what, "; ", least, " are needed");
    else if (!high) c.reason = StrCat("so many requests failed that nothing bounds ", what);
    else c.reason = StrCat("between ", low ? Number(*low) : "0", " and ", Number(*high), ", limit ", limit, "; about ", needed, " requests would decide");
  }
}

Criterion JudgeLimit(const Subject& s, const Limit& limit, const std::string& surface) {
  Criterion c{.surface = surface, .name = NameOf(limit), .group = "latency", .unit = "ms", .margin = limit.at_most_ms};
  const std::string what = StrCat("p", Number(limit.percent));
  const Percentile* p = Find(s, limit);
  if (!p) return c.reason = StrCat("no request has a ", limit.quantity), c;
  c.n = p->n, c.estimate = p->value;
  SetInterval(p->low, p->high, c);
  Decide(p->low, p->high, LeastCount(limit.percent / 100), what.c_str(), c);
  // More failures than the percentile leaves room for: the percentile itself is infinite.
  const double failed = static_cast<double>(s.failed), all = static_cast<double>(s.requests);
  if (c.verdict != Verdict::kFail && s.failed > 0 && failed > (1 - limit.percent / 100) * all) {
    c.verdict = Verdict::kFail;
    c.n_to_decide.reset();
    c.reason = StrCat(s.failed, " of ", s.requests, " requests failed: ", s.error);
  }
  return c;
}

Criterion JudgeGoodput(const Subject& s, double share_min, const std::string& surface) {
  Criterion c{.surface = surface, .name = "good_share_min", .group = "latency", .at_most = false, .margin = share_min, .n = s.requests};
  if (s.requests == 0) return c.reason = "no request was measured", c;
  c.estimate = static_cast<double>(s.good) / static_cast<double>(s.requests);
  const double low = ShareBelow(s.good, s.requests), high = ShareAbove(s.good, s.requests);
  c.interval = gate::Interval{low, high, 2 * kOneSided - 1};
  const std::string seen = StrCat(s.good, " of ", s.requests, " requests met every limit");
  if (low >= share_min) c.verdict = Verdict::kPass, c.reason = StrCat(seen, ", at least ", Number(100 * low), "% with 95% confidence");
  else if (high < share_min) c.verdict = Verdict::kFail, c.reason = StrCat(seen, ", at most ", Number(100 * high), "% with 95% confidence");
  else c.reason = StrCat(seen, ": between ", Number(100 * low), "% and ", Number(100 * high), "%, asked ", Number(100 * share_min), "%");
  return c;
}

Criterion JudgeRatio(const LatencyReport& report, const Limit& limit, double ratio_max, const std::string& surface) {
  Criterion c{.surface = surface, .name = StrCat("baseline_ratio_max.", NameOf(limit)), .group = "latency", .margin = ratio_max};
  for (const Comparison& r : report.comparisons) {
    if (r.quantity != limit.quantity || r.percent != limit.percent) continue;
    c.n = r.n, c.estimate = r.ratio;
    SetInterval(r.low, r.high, c);
    Decide(r.low, r.high, LeastCount(limit.percent / 100), "ratio", c);
    return c;
  }
  c.reason = "not both the candidate and a baseline have this percentile";
  return c;
}

void AddFigure(const char* name, const char* group, const char* unit, std::optional<double> value, const std::optional<double>& at_most,
               const std::string& surface, std::vector<Criterion>& out) {
  if (!at_most) return;
  Criterion c{.surface = surface, .name = name, .group = group, .unit = unit, .margin = *at_most, .estimate = value, .n = 1};
  if (!value) c.n = 0, c.reason = "was not measured";
  else if (*value <= *at_most) c.verdict = Verdict::kPass, c.reason = StrCat(Number(*value), " ", unit, ", limit ", Number(*at_most));
  else c.verdict = Verdict::kFail, c.reason = StrCat(Number(*value), " ", unit, " is more than ", Number(*at_most));
  out.push_back(std::move(c));
}

std::optional<double> Megabytes(int64_t bytes) { return bytes > 0 ? std::optional<double>(static_cast<double>(bytes) / 1e6) : std::nullopt; }

}  // namespace

std::string NameOf(const Limit& limit) { return StrCat(limit.quantity, ".p", Number(limit.percent)); }

std::vector<Criterion> Judge(const LatencyReport& report, const Budgets& b, const std::string& surface) {
  const Subject none;
  const Subject& s = report.subjects.empty() ? none : report.subjects[0];
  std::vector<Criterion> all;
  for (const Limit& limit : b.limits) all.push_back(JudgeLimit(s, limit, surface));
  if (b.good_share_min) all.push_back(JudgeGoodput(s, *b.good_share_min, surface));
  if (b.baseline_ratio_max) {
    for (const Limit& limit : b.limits) all.push_back(JudgeRatio(report, limit, *b.baseline_ratio_max, surface));
  }
  AddFigure("cost_per_1k_requests_max", "cost", report.currency.c_str(), s.cost_per_1k_requests, b.cost_per_1k_requests_max, surface, all);
  AddFigure("cost_per_1m_tokens_max", "cost", report.currency.c_str(), s.cost_per_1m_tokens, b.cost_per_1m_tokens_max, surface, all);
  AddFigure("peak_rss_mb_max", "cost", "MB", Megabytes(s.peak_rss_bytes), b.peak_rss_mb_max, surface, all);
  AddFigure("load_ms_max", "cost", "ms", s.load_ms, b.load_ms_max, surface, all);
  AddFigure("artifact_mb_max", "cost", "MB", Megabytes(s.artifact_bytes), b.artifact_mb_max, surface, all);
  return all;
}

}  // namespace hasten::load
