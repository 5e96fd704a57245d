// The generator and its arithmetic against closed forms: an engine with a fixed
// service time, and a clock that moves when it is told to.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "calib/load/generator.h"
#include "calib/load/measure.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::load {
namespace {

class FakeClock : public Clock {
 public:
  double Now() override { return now_; }
  void SleepUntil(double time) override { now_ = std::max(now_, time); }

 private:
  double now_ = 100;   // a run does not begin at zero
};

// One sequence at a time: a prompt takes prefill_s, each further token token_s.
class FakeEngine : public Engine {
 public:
  FakeEngine(Clock& clock, double prefill_s, double token_s) : clock_(clock), prefill_s_(prefill_s), token_s_(token_s) {}
  void Submit(const Request& request, std::function<void(Outcome)> done) override {
    Outcome o;
    o.start = std::max(clock_.Now(), free_at_);
    for (int64_t i = 0; i < request.output_tokens; ++i) o.tokens.push_back(o.start + prefill_s_ + token_s_ * static_cast<double>(i));
    free_at_ = o.tokens.back();
    if (request.id == fails) o = {.error = "broke"};
    done(std::move(o));
  }
  void Drain() override {}
  int64_t PeakBytes() override { return 0; }
  int64_t fails = -1;

 private:
  Clock& clock_;
  double prefill_s_, token_s_, free_at_ = 0;
};

std::vector<Request> Every(double seconds, int64_t count, int64_t output_tokens) {
  std::vector<Request> requests;
  for (int64_t i = 0; i < count; ++i) {
    requests.push_back({.id = i, .at_s = seconds * static_cast<double>(i + 1), .prompt = {1, 2, 3}, .output_tokens = output_tokens});
  }
  return requests;
}

// Arrivals every A = 1 s, service S = 0.5 + 9 * 0.1 = 1.4 s: request k waits k (S - A).
TEST(Queueing, AnOverloadedEngineQueuesLinearly) {
  FakeClock clock;
  FakeEngine engine(clock, 0.5, 0.1);
  const auto run = Generate(Every(1, 20, 10), engine, clock, {});
  ASSERT_TRUE(run.ok());
  ASSERT_EQ(run->records.size(), 20u);
  for (size_t k = 0; k < 20; ++k) {
    const Record& r = run->records[k];
    const double wait = 400.0 * static_cast<double>(k);
    EXPECT_NEAR(r.queue_ms, wait, 1e-6);
    EXPECT_NEAR(r.prefill_ms, 500, 1e-6);
    EXPECT_NEAR(r.ttft_ms, wait + 500, 1e-6);
    EXPECT_NEAR(r.e2e_ms, wait + 1400, 1e-6);
    EXPECT_NEAR(r.tpot_ms, 100, 1e-6);
    ASSERT_EQ(r.itl_ms.size(), 9u);
    EXPECT_NEAR(r.itl_ms[4], 100, 1e-6);
    EXPECT_EQ(r.lag_ms, 0);
  }
  EXPECT_NEAR(run->begin_s, 1, 1e-9);
  EXPECT_NEAR(run->end_s, 1 + 20 * 1.4, 1e-9);
  EXPECT_NEAR(run->busy_s, 20 * 1.4, 1e-6);
}

// Poisson arrivals and a fixed service S at load rho: the mean wait is
// rho S / (2 (1 - rho)) (Pollaczek-Khinchine). Its standard error at 200,000 requests
// is about 0.5%: waits of neighbours go together.
TEST(Queueing, PoissonArrivalsAndFixedServiceWaitAsInTheory) {
  const double service = 1, rho = 0.6;
  Workload workload{.arrivals_per_s = rho / service, .prompt_min = 1, .prompt_max = 2, .output_tokens = 1, .requests = 200'000, .warmup = 1000, .timeout_s = 1e9, .seed = 3};
  const auto requests = MakeRequests(workload, 100, 1024);
  ASSERT_TRUE(requests.ok());
  FakeClock clock;
  FakeEngine engine(clock, service, 0);
  const auto run = Generate(*requests, engine, clock, {.timeout_s = 1e9});
  ASSERT_TRUE(run.ok());
  ASSERT_EQ(run->records.size(), 200'000u);   // the warm-up is not among them
  double wait = 0;
  for (const Record& r : run->records) wait += 1e-3 * r.queue_ms / 200'000;
  EXPECT_NEAR(wait, rho * service / (2 * (1 - rho)), 0.02);
  EXPECT_NEAR(run->busy_s / (run->end_s - run->begin_s), rho, 0.01);
}

// A generator that is held up for 3 s sends late; the times still count from when
// the requests were meant to be sent.
TEST(Queueing, AStalledGeneratorHidesNothing) {
  class Stalling : public FakeClock {
   public:
    void SleepUntil(double time) override { FakeClock::SleepUntil(!stalled_ && time > 102.5 ? (stalled_ = true, time + 3) : time); }
    bool stalled_ = false;
  } clock;
  FakeEngine engine(clock, 0.1, 0);
  const auto run = Generate(Every(1, 5, 1), engine, clock, {});
  ASSERT_TRUE(run.ok());
  EXPECT_NEAR(run->records[1].ttft_ms, 100, 1e-6);
  EXPECT_GT(run->records[2].lag_ms, 2000);
  EXPECT_NEAR(run->records[2].ttft_ms, run->records[2].lag_ms + 100, 1e-6);
  EXPECT_GT(run->records[3].lag_ms, 1000);
}

TEST(Queueing, FailuresAndLateAnswersAreFailures) {
  FakeClock clock;
  FakeEngine engine(clock, 0.5, 0.1);
  engine.fails = 2;
  const auto run = Generate(Every(1, 20, 10), engine, clock, {.timeout_s = 5});
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->records[2].error, "broke");
  EXPECT_EQ(run->records[0].error, "");
  EXPECT_THAT(run->records[19].error, ::testing::HasSubstr("longer than 5 s"));   // waits 7.6 s
}

TEST(Workload, IsAPoissonProcessOfItsSeed) {
  const Workload workload{.arrivals_per_s = 4, .prompt_min = 64, .prompt_max = 1024, .requests = 20'000, .warmup = 0};
  const auto a = MakeRequests(workload, 1000, 8192), b = MakeRequests(workload, 1000, 8192);
  ASSERT_TRUE(a.ok() && b.ok());
  double previous = 0, sum = 0, squares = 0, logs = 0;
  for (size_t i = 0; i < a->size(); ++i) {
    const Request& r = (*a)[i];
    EXPECT_EQ(r.at_s, (*b)[i].at_s);
    EXPECT_EQ(r.prompt, (*b)[i].prompt);
    const double gap = r.at_s - previous;
    previous = r.at_s, sum += gap, squares += gap * gap;
    ASSERT_GE(r.prompt.size(), 64u);
    ASSERT_LE(r.prompt.size(), 1024u);
    logs += std::log(static_cast<double>(r.prompt.size())) / 20'000;
  }
  // Exponential: mean 1/4, mean square 2/16; uniform logarithm: half way between the ends.
  EXPECT_NEAR(sum / 20'000, 0.25, 0.006);
  EXPECT_NEAR(squares / 20'000, 0.125, 0.008);
  EXPECT_NEAR(logs, std::log(256.0), 0.02);
}

TEST(Workload, RefusesWhatIsNotPossible) {
  for (const Workload& w : {Workload{.arrivals_per_s = 0}, Workload{.arrivals_per_s = NAN}, Workload{.prompt_min = 9, .prompt_max = 8}, Workload{.output_tokens = 0},
                            Workload{.requests = 0}, Workload{.warmup = -1}, Workload{.timeout_s = 0}, Workload{.prompt_max = 2000}}) {
    EXPECT_EQ(MakeRequests(w, 1000, 2048).status().code(), Code::kUsage);
  }
}

TEST(Workload, BlocksKeepDistancesAndWarmUpEach) {
  const auto requests = MakeRequests({.requests = 9, .warmup = 2}, 100, 8192);
  ASSERT_TRUE(requests.ok());
  const auto first = BlockOf(*requests, 0, 2), second = BlockOf(*requests, 1, 2);
  ASSERT_EQ(first.size(), 6u);
  ASSERT_EQ(second.size(), 7u);
  EXPECT_EQ(second[2].id, 6);
  EXPECT_FALSE(second[1].measured);
  EXPECT_NEAR(second[2].at_s - second[1].at_s, (*requests)[6].at_s - (*requests)[5].at_s, 1e-9);
  EXPECT_NEAR(second[6].at_s - second[2].at_s, (*requests)[10].at_s - (*requests)[6].at_s, 1e-9);
}

}  // namespace
}  // namespace hasten::load
