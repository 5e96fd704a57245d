#include "calib/gate/judge.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "calib/stats/decide.h"

namespace hasten::gate {
namespace {

using stats::kAlpha;

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

std::optional<double> Finite(double value) { return std::isfinite(value) ? std::optional<double>(value) : std::nullopt; }

// "0.27 nats (0.26 to 0.29), at most 0.01 allowed"
std::string Measured(const Criterion& c) {
  const std::string unit = c.unit.empty() ? "" : " " + c.unit;
  std::string text = StrCat(c.estimate ? Number(*c.estimate) : "not finite", unit);
  if (c.interval) text += StrCat(" (", Number(c.interval->low), " to ", Number(c.interval->high), ")");
  return text + StrCat(", ", c.at_most ? "at most " : "at least ", Number(c.margin), " allowed");
}

// The verdict from the bound on the bad side, and the words for it.
void Decide(Criterion& c, double bad_bound) {
  const bool clear = c.at_most ? bad_bound <= c.margin : bad_bound >= c.margin;
  c.verdict = clear ? Verdict::kPass : Verdict::kInconclusive;
  c.reason = Measured(c);
  if (clear) return;
  c.reason += StrCat("; ", c.n, " decide it neither way");
  if (c.n_to_decide && *c.n_to_decide < (int64_t{1} << 40)) c.reason += StrCat(", about ", *c.n_to_decide, " would");
}

Criterion Begin(const std::string& surface, const std::string& group, std::string name, bool at_most, double margin) {
  Criterion c;
  c.surface = surface;
  c.group = group;
  c.name = std::move(name);
  c.at_most = at_most;
  c.margin = margin;
  return c;
}

}  // namespace

Interval IntervalOf(const stats::Bootstrap& b) { return {b.Bound(kAlpha), b.Bound(1 - kAlpha), 1 - 2 * kAlpha}; }

Criterion JudgeFigure(const std::string& surface, const std::string& group, const std::string& prefix, const Limit& limit,
                      const std::string& unit, const Support& e) {
  Criterion c = Begin(surface, group, prefix + limit.name, limit.at_most, limit.value);
  c.unit = unit;
  c.n = e.n;
  c.clusters = e.clusters;
  const double estimate = e.bootstrap ? e.bootstrap->estimate() : e.estimate;
  c.estimate = Finite(estimate);
  const bool beyond = limit.at_most ? !(estimate <= limit.value) : !(estimate >= limit.value);
  if (!c.estimate || (e.bootstrap && !e.bootstrap->finite())) {
    c.verdict = Verdict::kFail;   // a NaN or infinity is broken, however few there are
    c.p_failure = 0;
    c.reason = "a NaN or an infinity is among the figures";
    return c;
  }
  if (e.clusters < stats::kLeastClusters) {
    c.reason = StrCat(Measured(c), "; ", e.clusters, " documents, at least ", stats::kLeastClusters, " are needed to decide");
    return c;
  }
  if (e.extreme) {
    c.verdict = beyond ? Verdict::kFail : Verdict::kPass;
    c.p_failure = beyond ? 0 : 1;
    c.reason = StrCat(Measured(c), "; of what was measured only");
    return c;
  }
  HST_CHECK(e.bootstrap);
  c.interval = IntervalOf(*e.bootstrap);
  const double bad_bound = limit.at_most ? c.interval->high : c.interval->low;
  c.minimum_detectable_effect = stats::DetectableEffect(std::abs(bad_bound - estimate), e.bootstrap->standard_error());
  c.n_to_decide = stats::SamplesToDecide(e.n, *c.minimum_detectable_effect, limit.value - estimate);
  const double level = e.bootstrap->LevelOf(limit.value);   // of "the figure is at most the margin"
  c.p_failure = limit.at_most ? level : 1 - level;
  Decide(c, bad_bound);
  return c;
}

Criterion JudgeTask(const std::string& surface, const TaskLimit& limit, const stats::PairedCounts& counts) {
  Criterion c = Begin(surface, "task", StrCat("quality.task.", limit.name), true, limit.margin_pp);
  c.unit = "points lost";
  c.n = counts.n;
  if (counts.n == 0) {
    c.reason = "no item was evaluated";
    return c;
  }
  const double low = stats::PairedBound(counts, kAlpha), high = stats::PairedBound(counts, 1 - kAlpha);
  c.estimate = 100 * counts.loss();
  c.interval = Interval{100 * low, 100 * high, 1 - 2 * kAlpha};
  const double error = std::sqrt(std::max(counts.flips() - counts.loss() * counts.loss(), 1e-12) / static_cast<double>(counts.n));
  c.minimum_detectable_effect = 100 * stats::DetectableEffect(high - counts.loss(), error);
  c.n_to_decide = stats::SamplesToDecide(counts.n, *c.minimum_detectable_effect, *c.estimate - limit.margin_pp);
  const double z = stats::PairedScore(counts, limit.margin_pp / 100);
  c.p_failure = std::clamp(0.5 * std::erfc(z / std::sqrt(2.0)), 1e-300, 1.0);
  Decide(c, c.interval->high);
  return c;
}

Criterion HardCheck(const std::string& surface, const std::string& name, bool holds, std::string reason, int64_t n) {
  Criterion c = Begin(surface, "hard", "hard." + name, true, 0);
  c.n = n;
  c.estimate = holds ? 0 : 1;
  c.verdict = holds ? Verdict::kPass : Verdict::kFail;
  c.p_failure = holds ? 1 : 0;
  c.reason = std::move(reason);
  return c;
}

Criterion NotMeasured(const std::string& surface, const std::string& group, const std::string& name, const Limit& limit, std::string why) {
  Criterion c = Begin(surface, group, name, limit.at_most, limit.value);
  c.reason = std::move(why);
  return c;
}

void Conclude(Report& report) {
  std::vector<double> claims;
  std::vector<Criterion*> judged;
  for (Criterion& c : report.criteria) {
    if (!c.p_failure) continue;
    claims.push_back(*c.p_failure);
    judged.push_back(&c);
  }
  const std::vector<double> adjusted = stats::Holm(claims);
  for (size_t i = 0; i < judged.size(); ++i) {
    Criterion& c = *judged[i];
    c.p_failure = adjusted[i];
    if (c.verdict == Verdict::kPass || adjusted[i] > kAlpha) continue;
    if (c.verdict == Verdict::kInconclusive) c.reason = StrCat(Measured(c), "; clearly beyond");
    c.verdict = Verdict::kFail;
  }
  const auto count = [&](Verdict v) { return std::count_if(report.criteria.begin(), report.criteria.end(), [v](const Criterion& c) { return c.verdict == v; }); };
  const auto first = [&](Verdict v) { return *std::find_if(report.criteria.begin(), report.criteria.end(), [v](const Criterion& c) { return c.verdict == v; }); };
  const int64_t failed = count(Verdict::kFail), open = count(Verdict::kInconclusive), all = static_cast<int64_t>(report.criteria.size());
  report.verdict = failed ? Verdict::kFail : open || all == 0 ? Verdict::kInconclusive : Verdict::kPass;
  if (all == 0) report.reason = "no criterion was measured";
  else if (report.verdict == Verdict::kPass) report.reason = StrCat("all ", all, " criteria hold");
  else report.reason = StrCat(failed ? failed : open, " of ", all, failed ? " criteria fail, first " : " criteria are undecided, first ",
                              first(report.verdict).name, ": ", first(report.verdict).reason);
}

}  // namespace hasten::gate
