#include "calib/load/judge.h"

#include <cmath>
#include <cstdio>
#include <utility>

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
    c.reason = StrCat("at least ", Number(*low), " with 95% confidence, limit ", limit, "; beside the other failures not sure enough for one more");
  } else {
    SetNeeded(low, high, c.margin, least, c);
    const std::string needed = c.n_to_decide ? StrCat(*c.n_to_decide) : "many more";
    if (c.n < least) c.reason = StrCat(c.n, " requests bound no ", what, "; ", least, " are needed");
    else if (!high) c.reason = StrCat("so many requests failed that nothing bounds ", what);
    else c.reason = StrCat("between ", low ? Number(*low) : "0", " and ", Number(*high), ", limit ", limit, "; about ", needed, " requests would decide");
  }
}

// A largest value has no bound: it is of these requests and no others.
Criterion JudgeLargest(const Subject& s, Criterion c) {
  c.verdict = s.failed == 0 && c.estimate && *c.estimate <= c.margin ? Verdict::kPass : Verdict::kFail;
  if (s.failed > 0) c.reason = StrCat(s.failed, " of ", s.requests, " requests failed: ", s.error);
  else c.reason = StrCat("the largest of ", c.n, " is ", Number(c.estimate.value_or(INFINITY)), ", limit ", Number(c.margin), " ", c.unit);
  return c;
}

Criterion JudgeLimit(const Subject& s, const Limit& limit, const std::string& surface) {
  Criterion c{.surface = surface, .name = NameOf(limit), .group = "latency", .unit = "ms", .margin = limit.at_most_ms};
  const std::string what = StrCat("p", Number(limit.percent));
  const Percentile* p = Find(s, limit);
  if (!p) return c.reason = StrCat("no request has a ", limit.quantity), c;
  c.n = p->n, c.estimate = p->value;
  if (limit.percent >= 100) return JudgeLargest(s, std::move(c));
  for (const LimitCount& l : s.limits) {
    if (l.quantity == limit.quantity && l.percent == limit.percent) c.p_failure = l.p_beyond;
  }
  SetInterval(p->low, p->high, c);
  Decide(p->low, p->high, LeastCount(limit.percent / 100), what.c_str(), c);
  // More failures than the percentile leaves room for: the percentile itself is infinite.
  const double failed = static_cast<double>(s.failed), all = static_cast<double>(s.requests);
  if (s.failed > 0 && failed > (1 - limit.percent / 100) * all) {
    c.verdict = Verdict::kFail;
    c.n_to_decide.reset();
    c.reason = StrCat(s.failed, " of ", s.requests, " requests failed: ", s.error);
  }
  return c;
}

// The share of requests that met every limit, times the rate at which they came.
Criterion JudgeGoodput(const Subject& s, const gate::Limit& limit, const std::string& surface) {
  Criterion c{.surface = surface, .name = limit.name, .group = "latency", .unit = "requests/s", .at_most = false, .margin = limit.value, .n = s.requests};
  if (s.requests == 0 || s.seconds <= 0) return c.reason = "no request was measured", c;
  const double rate = static_cast<double>(s.requests) / s.seconds;
  c.estimate = s.goodput_per_s;
  const double low = rate * ShareBelow(s.good, s.requests), high = rate * ShareAbove(s.good, s.requests);
  c.interval = gate::Interval{low, high, 2 * kOneSided - 1};
  // P(no more good ones than these) if the share were just what is asked for.
  c.p_failure = BinomialCdf(s.good, s.requests, std::min(1.0, c.margin / rate));
  const std::string seen = StrCat(s.good, " of ", s.requests, " requests met every limit");
  if (low >= c.margin) c.verdict = Verdict::kPass, c.reason = StrCat(seen, ": at least ", Number(low), "/s with 95% confidence, asked ", Number(c.margin));
  else c.reason = StrCat(seen, ": between ", Number(low), " and ", Number(high), "/s, asked ", Number(c.margin));
  return c;
}

Criterion JudgeRatio(const LatencyReport& report, const Limit& limit, double ratio_max, const std::string& surface) {
  Criterion c{.surface = surface, .name = StrCat("baseline_ratio_max.", NameOf(limit)), .group = "latency", .margin = ratio_max};
  for (const Comparison& r : report.comparisons) {
    if (r.quantity != limit.quantity || r.percent != limit.percent) continue;
    c.n = r.n, c.estimate = r.ratio, c.p_failure = r.p_beyond;
    SetInterval(r.low, r.high, c);
    Decide(r.low, r.high, LeastCount(limit.percent / 100), "ratio", c);
    return c;
  }
  c.reason = report.subjects.size() < 2 ? "needs --baseline or --baseline-cmd" : "not both the candidate and the baseline have this percentile";
  return c;
}

std::optional<double> Megabytes(int64_t bytes) { return bytes > 0 ? std::optional<double>(static_cast<double>(bytes) / 1e6) : std::nullopt; }

// Value and unit of a resource by the policy's name for it.
std::pair<std::optional<double>, std::string> FigureOf(const LatencyReport& report, const Subject& s, const std::string& figure) {
  if (figure == "load_ms") return {s.load_ms, "ms"};
  if (figure == "peak_rss_mb") return {Megabytes(s.peak_rss_bytes), "MB"};
  if (figure == "artifact_mb") return {Megabytes(s.artifact_bytes), "MB"};
  if (figure == "cost_per_1k_requests") return {s.cost_per_1k_requests, report.currency};
  if (figure == "cost_per_1m_tokens") return {s.cost_per_1m_tokens, report.currency};
  return {};
}

Criterion JudgeFigure(const LatencyReport& report, const Subject& s, const gate::Limit& limit, const std::string& surface) {
  const auto [value, unit] = FigureOf(report, s, limit.figure);
  Criterion c{.surface = surface, .name = limit.name, .group = "cost", .unit = unit, .at_most = limit.at_most, .margin = limit.value, .estimate = value};
  if (!value) {
    c.reason = limit.figure.starts_with("cost") ? "needs a price ([cost] of the policy) and a request that met every limit" : "was not measured";
    return c;
  }
  c.n = 1;
  const bool kept = limit.at_most ? *value <= limit.value : *value >= limit.value;
  c.verdict = kept ? Verdict::kPass : Verdict::kFail;
  c.reason = StrCat(Number(*value), " ", unit, ", limit ", Number(limit.value));
  return c;
}

}  // namespace

std::string NameOf(const Limit& limit) { return limit.percent >= 100 ? limit.quantity + ".max" : StrCat(limit.quantity, ".p", Number(limit.percent)); }

std::vector<Criterion> Judge(const LatencyReport& report, const Budgets& b, const std::string& surface) {
  const Subject none;
  const Subject& s = report.subjects.empty() ? none : report.subjects[0];
  std::vector<Criterion> all;
  for (const Limit& limit : b.limits) all.push_back(JudgeLimit(s, limit, surface));
  for (const gate::Limit& r : b.resources) {
    if (r.figure == "goodput") {
      all.push_back(JudgeGoodput(s, r, surface));
    } else if (r.figure == "baseline_ratio") {
      const size_t before = all.size();
      for (const Limit& limit : b.limits) if (limit.percent < 100) all.push_back(JudgeRatio(report, limit, r.value, surface));
      // Asked for and not checked must not look like kept.
      if (all.size() == before) all.push_back({.surface = surface, .name = r.name, .group = "latency", .margin = r.value, .reason = "no percentile has a limit, so none is compared"});
    } else {
      all.push_back(JudgeFigure(report, s, r, surface));
    }
  }
  return all;
}

}  // namespace hasten::load
