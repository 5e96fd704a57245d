// From requests to figures and verdicts, on numbers worked out by hand.
#include "calib/load/judge.h"

#include <cmath>

#include "calib/gate/judge.h"
#include "calib/load/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::load {
namespace {

using gate::Criterion;
using gate::Verdict;
using ::testing::HasSubstr;

// Requests with a TTFT of 1, 2, ... n ms, 11 tokens and gaps of 10 ms.
Measured Ramp(int n) {
  Measured m{.name = "candidate", .seconds = 100, .busy_s = 40, .load_ms = {5, 7}, .peak_bytes = 200'000'000, .artifact_bytes = 100'000'000};
  for (int i = 1; i <= n; ++i) {
    Record r{.prompt_tokens = i <= 10 ? 100 : 600, .ttft_ms = 1.0 * i, .e2e_ms = 100.0 + i, .tpot_ms = 10};
    r.itl_ms.assign(10, 10.0);
    m.records.push_back(r);
  }
  return m;
}

// With the gate's last word on what fails.
std::vector<Criterion> Concluded(const LatencyReport& measured, const Budgets& budgets) {
  gate::Report report;
  report.criteria = Judge(measured, budgets, "chat");
  gate::Conclude(report);
  return report.criteria;
}

Criterion JudgeOne(const Measured& m, const Limit& limit) {
  LatencyReport report;
  report.subjects.push_back(Summarize(m, {&limit, 1}, {}));
  return Concluded(report, {.limits = {limit}}).at(0);
}

TEST(Summary, PercentilesBySliceAndLength) {
  const Subject s = Summarize(Ramp(40), {}, {});
  const auto find = [&](const char* quantity, const char* slice, double percent) -> const Percentile* {
    for (const Percentile& p : s.percentiles) if (p.quantity == quantity && p.slice == slice && p.percent == percent) return &p;
    return nullptr;
  };
  EXPECT_EQ(find("ttft_ms", "all", 50)->value, 20);
  EXPECT_EQ(find("ttft_ms", "all", 50)->low, 15);     // ranks of order_statistics_test
  EXPECT_EQ(find("ttft_ms", "all", 50)->high, 26);
  EXPECT_EQ(find("ttft_ms", "all", 100)->value, 40);
  EXPECT_EQ(find("ttft_ms", "1-127", 50)->value, 5);
  EXPECT_EQ(find("ttft_ms", "1-127", 50)->n, 10);
  EXPECT_EQ(find("ttft_ms", "512-2047", 50)->value, 25);
  EXPECT_FALSE(find("ttft_ms", "all", 99)->value);    // 40 requests say nothing about p99
  EXPECT_EQ(find("ttft_ms", "all", 99)->n, 40);
  EXPECT_EQ(find("itl_ms", "all", 90)->value, 10);
  EXPECT_EQ(find("itl_ms", "all", 90)->n, 40);
  EXPECT_EQ(s.load_ms, 7);
  ASSERT_EQ(s.samples.size(), 5u);
  EXPECT_EQ(s.samples[0].quantity, "ttft_ms");
  EXPECT_EQ(s.samples[0].values.size(), 40u);
  const Subject large = Summarize(Ramp(2000), {}, {});
  EXPECT_EQ(large.samples[0].values.size(), 500u);
  EXPECT_EQ(large.samples[0].values.front(), 1);
  EXPECT_EQ(large.samples[0].values.back(), 2000);
}

TEST(Summary, GoodputCountsWhatMeetsEveryLimitAndFailuresAreMisses) {
  Measured m = Ramp(40);
  m.records[0].error = "broke";
  // The limit of the highest percentile is the promise to one request: 30 ms.
  const Limit limits[] = {{"ttft_ms", 50, 10}, {"ttft_ms", 90, 30}, {"itl_ms", 90, 10}};
  const Subject s = Summarize(m, limits, {3600, "EUR"});
  EXPECT_EQ(s.good, 29);
  EXPECT_EQ(s.failed, 1);
  EXPECT_EQ(s.error, "broke");
  EXPECT_NEAR(*s.goodput_per_s, 0.29, 1e-12);
  EXPECT_NEAR(*s.device_seconds_per_1k_requests, 1000 * 40 / 29.0, 1e-9);
  EXPECT_NEAR(*s.device_seconds_per_1m_tokens, 1e6 * 40 / (29.0 * 11), 1e-6);
  EXPECT_NEAR(*s.cost_per_1k_requests, 1000 * 100 / 29.0, 1e-9);   // one EUR a second
  EXPECT_NEAR(*s.cost_per_1m_tokens, 1e6 * 100 / (29.0 * 11), 1e-6);
}

TEST(Judge, PassesFailsOrIsInconclusiveByTheBounds) {
  // p50 of 1..40 lies between 15 and 26.
  EXPECT_EQ(JudgeOne(Ramp(40), {"ttft_ms", 50, 26}).verdict, Verdict::kPass);
  EXPECT_EQ(JudgeOne(Ramp(40), {"ttft_ms", 50, 14}).verdict, Verdict::kFail);
  const Criterion open = JudgeOne(Ramp(40), {"ttft_ms", 50, 25});
  EXPECT_EQ(open.verdict, Verdict::kInconclusive);
  EXPECT_EQ(open.name, "ttft_ms.p50");
  EXPECT_EQ(open.estimate, 20);
  // The half width 6 has to shrink to 5 and leave room for power: 40 (6/5 * 2.487/1.645)^2.
  EXPECT_EQ(open.n_to_decide, 132);
  EXPECT_THAT(open.reason, HasSubstr("132 requests would decide"));
}

// Two claims of failure are each held to half of alpha: what alone would fail does not.
TEST(Judge, ClaimsOfFailureAreAdjusted) {
  const std::vector<Limit> limits = {{"ttft_ms", 50, 14}, {"e2e_ms", 50, 114}};
  LatencyReport report;
  report.subjects.push_back(Summarize(Ramp(40), limits, {}));
  EXPECT_NEAR(report.subjects[0].limits[0].p_beyond, 0.0403, 1e-4);   // scipy.stats.binom.cdf(14, 40, 0.5)
  EXPECT_EQ(report.subjects[0].limits[0].within, 14);
  for (const Criterion& c : Concluded(report, {.limits = limits})) {
    EXPECT_EQ(c.verdict, Verdict::kInconclusive);
    EXPECT_THAT(c.reason, HasSubstr("not sure enough"));
  }
  EXPECT_EQ(JudgeOne(Ramp(40), limits[0]).verdict, Verdict::kFail);
}

TEST(Judge, TooFewRequestsAreInconclusiveAndSayHowMany) {
  const Criterion c = JudgeOne(Ramp(40), {"ttft_ms", 99, 1000});
  EXPECT_EQ(c.verdict, Verdict::kInconclusive);
  EXPECT_FALSE(c.estimate);
  EXPECT_EQ(c.n, 40);
  EXPECT_EQ(c.n_to_decide, 299);
  EXPECT_THAT(c.reason, HasSubstr("299 are needed"));
  // That they are too late for sure is known all the same: p99 of 40 is above the tenth.
  EXPECT_EQ(JudgeOne(Ramp(40), {"ttft_ms", 99, 10}).verdict, Verdict::kFail);
  EXPECT_EQ(JudgeOne({}, {"ttft_ms", 50, 10}).verdict, Verdict::kInconclusive);
}

TEST(Judge, FailedRequestsNeverHelp) {
  Measured m = Ramp(40);
  for (int i = 0; i < 5; ++i) m.records[static_cast<size_t>(i)].error = "broke";   // the fastest ones
  const Criterion c = JudgeOne(m, {"ttft_ms", 90, 1000});
  EXPECT_EQ(c.verdict, Verdict::kFail);
  EXPECT_THAT(c.reason, HasSubstr("5 of 40 requests failed: broke"));
  for (Record& r : m.records) r.error = "broke";
  EXPECT_EQ(JudgeOne(m, {"ttft_ms", 50, 1000}).verdict, Verdict::kFail);
  EXPECT_EQ(JudgeOne(m, {"itl_ms", 50, 1000}).verdict, Verdict::kFail);
}

TEST(Judge, FiguresAndWhatWasNotMeasured) {
  LatencyReport report{.currency = "EUR"};
  report.subjects.push_back(Summarize(Ramp(40), {}, {}));
  const std::vector<gate::Limit> resources = {{"goodput_min", "goodput", false, 0.37}, {"cost_per_1m_tokens_max", "cost_per_1m_tokens", true, 1}, {"peak_rss_mb_max", "peak_rss_mb", true, 150},
                                              {"load_ms_max", "load_ms", true, 10}, {"artifact_mb_max", "artifact_mb", true, 100}};
  const auto all = Concluded(report, {.resources = resources});
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0].verdict, Verdict::kPass);            // 40 of 40 in 100 s: at least 92.8% of 0.4/s
  EXPECT_EQ(Concluded(report, {.resources = {{"goodput_min", "goodput", false, 0.38}}})[0].verdict, Verdict::kInconclusive);
  EXPECT_EQ(Concluded(report, {.resources = {{"goodput_min", "goodput", false, 0.41}}})[0].verdict, Verdict::kInconclusive);   // all of 40 were good
  const Limit never{"ttft_ms", 90, 0.5};
  LatencyReport late;
  late.subjects.push_back(Summarize(Ramp(40), {&never, 1}, {}));
  EXPECT_EQ(Concluded(late, {.resources = {{"goodput_min", "goodput", false, 0.1}}})[0].verdict, Verdict::kFail);
  EXPECT_EQ(all[1].verdict, Verdict::kInconclusive);    // no price, no cost
  EXPECT_EQ(all[2].verdict, Verdict::kFail);
  EXPECT_EQ(all[3].verdict, Verdict::kPass);
  EXPECT_EQ(all[4].verdict, Verdict::kPass);
  for (const Criterion& c : all) EXPECT_FALSE(c.reason.empty()) << c.name;
}

TEST(Judge, ARatioOfNothingIsNotKept) {
  const auto all = Concluded({}, {.resources = {{"baseline_ratio_max", "baseline_ratio", true, 1.05}}});
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].verdict, Verdict::kInconclusive);
}

TEST(Judge, ALargestValueIsOfWhatWasMeasured) {
  EXPECT_EQ(JudgeOne(Ramp(40), {"ttft_ms", 100, 40}).verdict, Verdict::kPass);
  EXPECT_EQ(JudgeOne(Ramp(40), {"ttft_ms", 100, 40}).name, "ttft_ms.max");
  EXPECT_EQ(JudgeOne(Ramp(40), {"ttft_ms", 100, 39}).verdict, Verdict::kFail);
  Measured m = Ramp(40);
  m.records[0].error = "broke";
  EXPECT_EQ(JudgeOne(m, {"ttft_ms", 100, 1000}).verdict, Verdict::kFail);
}

TEST(Judge, RatioToABaseline) {
  Measured slow = Ramp(300), same = Ramp(300);
  for (Record& r : slow.records) r.ttft_ms *= 1.5;
  const Limit limit{"ttft_ms", 50, 1e6};
  const auto verdict = [&](const Measured& candidate, const Measured& baseline) {
    LatencyReport report;
    report.subjects = {Summarize(candidate, {&limit, 1}, {}), Summarize(baseline, {&limit, 1}, {})};
    report.comparisons = Compare(candidate, baseline, 1.05);
    return Concluded(report, {.limits = {limit}, .resources = {{"baseline_ratio_max", "baseline_ratio", true, 1.05}}}).at(1);
  };
  EXPECT_EQ(verdict(same, same).verdict, Verdict::kPass);
  EXPECT_EQ(verdict(same, same).estimate, 1);
  EXPECT_EQ(verdict(slow, same).verdict, Verdict::kFail);
  EXPECT_NEAR(*verdict(slow, same).estimate, 1.5, 1e-9);
  EXPECT_EQ(verdict(same, {}).verdict, Verdict::kInconclusive);
}

}  // namespace
}  // namespace hasten::load
