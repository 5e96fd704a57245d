// Real engines: an artifact of a made-up model in this process, and another program.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "calib/gate/judge.h"
#include "calib/load/command_engine.h"
#include "calib/load/measure.h"
#include "calib/load/surface.h"
#include "calib/machine/temp_folder.h"
#include "calib/synthetic/write.h"
#include "compiler/artifact/writer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::load {
namespace {

using ::testing::HasSubstr;

// Answers each line with the asked number of tokens, at once.
const char* const kEcho = R"sh(echo '{"event": "ready"}'
while read -r line; do
  id=${line##*\"id\":}; id=${id%%[!0-9]*}
  count=${line##*\"output_tokens\":}; count=${count%%[!0-9]*}
  echo "{\"id\": $id, \"event\": \"start\"}"
  while [ "$count" -gt 0 ]; do echo "{\"id\": $id, \"event\": \"token\"}"; count=$((count - 1)); done
done)sh";

class Engines : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    calib::SyntheticOptions options;
    options.shape = "tiny";
    options.target = calib::TempFolder() + "/hasten-load-test.hst";
    options.tool_version = "test";
    options.threads = 1;
    auto writer = calib::WriteSynthetic(options);
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    writer_ = std::move(*writer);
  }
  static void TearDownTestSuite() { writer_.reset(); }

  static MeasureOptions Options() {
    MeasureOptions o;
    o.workload = {.arrivals_per_s = 200, .prompt_min = 4, .prompt_max = 32, .output_tokens = 6, .requests = 30, .warmup = 2};
    o.candidate = {"candidate", writer_->pending_path(), ""};
    o.threads = 1;
    return o;
  }
  static std::unique_ptr<ArtifactWriter> writer_;
};
std::unique_ptr<ArtifactWriter> Engines::writer_;

const Percentile& Find(const Subject& s, const std::string& quantity, double percent) {
  for (const Percentile& p : s.percentiles) if (p.quantity == quantity && p.slice == "all" && p.percent == percent) return p;
  throw std::runtime_error("no " + quantity);
}

TEST_F(Engines, AnArtifactUnderLoad) {
  const auto report = MeasureLatency(Options());
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->subjects.size(), 1u);
  const Subject& s = report->subjects[0];
  EXPECT_EQ(s.requests, 30);
  EXPECT_EQ(s.failed, 0) << s.error;
  EXPECT_EQ(s.good, 30);   // no limit
  EXPECT_EQ(s.tokens, 180);
  EXPECT_GT(s.peak_rss_bytes, 0);
  EXPECT_GT(s.artifact_bytes, 0);
  EXPECT_GT(*s.load_ms, 0);
  EXPECT_GE(s.seconds, s.busy_seconds);
  // What a request is made of cannot exceed it.
  EXPECT_GE(*Find(s, "e2e_ms", 50).value, *Find(s, "ttft_ms", 50).value);
  EXPECT_GE(*Find(s, "ttft_ms", 50).value, *Find(s, "prefill_ms", 50).value);
  EXPECT_GT(*Find(s, "tpot_ms", 50).value, 0);
  EXPECT_GE(*Find(s, "queue_ms", 50).value, 0);
}

TEST_F(Engines, InTurnsWithACommand) {
  MeasureOptions o = Options();
  o.baseline = Target{"baseline", "", kEcho};
  const auto report = MeasureLatency(o);
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->subjects.size(), 2u);
  EXPECT_EQ(report->subjects[1].requests, 30);
  EXPECT_EQ(report->subjects[1].failed, 0) << report->subjects[1].error;
  EXPECT_EQ(report->subjects[1].tokens, 180);
  EXPECT_GT(report->subjects[1].peak_rss_bytes, 0);
  EXPECT_FALSE(report->comparisons.empty());
  EXPECT_THAT(report->note, HasSubstr("in turns"));
}

TEST_F(Engines, AnArtifactBesideItself) {
  MeasureOptions o = Options();
  o.baseline = Target{"baseline", writer_->pending_path(), ""};
  const auto report = MeasureLatency(o);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->subjects[1].failed, 0);
  EXPECT_EQ(report->subjects[1].artifact_bytes, report->subjects[0].artifact_bytes);
}

TEST_F(Engines, RefusesWhatDoesNotFitOrIsNoArtifact) {
  MeasureOptions o = Options();
  o.workload.prompt_max = 1 << 30;
  EXPECT_EQ(MeasureLatency(o).status().code(), Code::kUsage);
  o = Options();
  o.candidate.artifact = "/does/not/exist.hst";
  EXPECT_EQ(MeasureLatency(o).status().code(), Code::kResource);
}

TEST_F(Engines, ASurfaceOfThePolicy) {
  const auto policy = gate::ParsePolicy(R"(
[cost]
price_per_hour = 0.36
currency = "EUR"
[surface.chat]
workload = { arrivals_per_s = 200, prompt_tokens = [4, 32], output_tokens = 6, warmup = 1 }
ttft_ms = { p50 = 100000, p90 = 0.000001, p99 = 100000 }
load_ms_max = 100000
cost_per_1m_tokens_max = 1
baseline_ratio_max = 2
[surface.embedded]
artifact_mb_max = 0.000001
)", "");
  ASSERT_TRUE(policy.ok()) << policy.status().message();
  ASSERT_EQ(policy->surfaces.size(), 2u);
  const gate::Surface& chat = policy->surfaces[0];
  EXPECT_EQ(RequestsFor(chat), 399);   // p99 needs 299
  gate::Surface quick = chat;
  quick.workload->requests = 40;
  gate::Report report;
  const SurfaceOptions options{.candidate = writer_->pending_path(), .threads = 1};
  ASSERT_TRUE(AddSurface(*policy, quick, options, report).ok());
  ASSERT_TRUE(AddSurface(*policy, policy->surfaces[1], options, report).ok());
  gate::Conclude(report);
  std::vector<std::string> verdicts;
  for (const gate::Criterion& c : report.criteria) verdicts.push_back(c.surface + " " + c.name + " " + gate::VerdictName(c.verdict));
  EXPECT_THAT(verdicts, ::testing::ElementsAre("chat ttft_ms.p50 PASS", "chat ttft_ms.p90 FAIL", "chat ttft_ms.p99 INCONCLUSIVE", "chat load_ms_max PASS",
                                               "chat cost_per_1m_tokens_max PASS", "chat baseline_ratio_max.ttft_ms.p50 INCONCLUSIVE", "chat baseline_ratio_max.ttft_ms.p90 INCONCLUSIVE",
                                               "chat baseline_ratio_max.ttft_ms.p99 INCONCLUSIVE", "embedded artifact_mb_max FAIL"));
  ASSERT_EQ(report.latency.subjects.size(), 2u);
  EXPECT_EQ(report.latency.subjects[1].name, "embedded candidate");
  for (const gate::Criterion& c : report.criteria) EXPECT_FALSE(c.reason.empty()) << c.name;
}

TEST_F(Engines, ACancelledRunEndsAtOnce) {
  MeasureOptions o = Options();
  o.workload.arrivals_per_s = 0.01;   // the first request would come after minutes
  std::atomic<bool> cancel = false;
  o.cancel = &cancel;
  const std::jthread later([&] { std::this_thread::sleep_for(std::chrono::milliseconds(200)); cancel = true; });
  EXPECT_EQ(MeasureLatency(o).status().code(), Code::kCancelled);
}

// Hundreds of requests that are queued are not served once the run is cancelled.
TEST_F(Engines, ACancelledQueueIsDropped) {
  MeasureOptions o = Options();
  o.workload = {.arrivals_per_s = 1e6, .prompt_min = 32, .prompt_max = 32, .output_tokens = 400, .requests = 300, .warmup = 0};
  std::atomic<bool> cancel = false;
  o.cancel = &cancel;
  const std::jthread later([&] { std::this_thread::sleep_for(std::chrono::milliseconds(100)); cancel = true; });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(MeasureLatency(o).status().code(), Code::kCancelled);
  // Serving them all takes about 20 s.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(CommandEngine, SaysWhyACommandIsNoEngine) {
  SteadyClock clock;
  const auto error = [&](const std::string& command, double timeout_s) {
    const auto engine = CommandEngine::Start(command, timeout_s, clock, nullptr);
    EXPECT_EQ(engine.status().code(), Code::kResource) << command;
    return engine.status().message();
  };
  EXPECT_THAT(error("exit 3", 10), HasSubstr("ended"));
  EXPECT_THAT(error("no-such-program-here 2>/dev/null", 10), HasSubstr("ended"));
  EXPECT_THAT(error("sleep 60", 0.2), HasSubstr("not ready after 0.2 s"));
  EXPECT_THAT(error("echo hello; sleep 60", 10), HasSubstr("wrote \"hello\""));
  EXPECT_THAT(error("yes | tr -d '\\n'", 10), HasSubstr("longer than 1 MiB"));
}

// A command that dies in the middle, and one that never answers: every request
// fails, nothing hangs, and the reason is kept.
TEST(CommandEngine, RequestsOfABrokenCommandFail) {
  const auto requests = MakeRequests({.arrivals_per_s = 1000, .prompt_min = 1, .prompt_max = 4, .output_tokens = 2, .requests = 5, .warmup = 0}, 100, 100);
  ASSERT_TRUE(requests.ok());
  struct Case {
    const char *command, *why;
  };
  for (const Case& c : {Case{"echo '{\"event\": \"ready\"}'; read -r line; exit 1", "ended"},
                        Case{"echo '{\"event\": \"ready\"}'; sleep 60", "given up after 0.5 s"},
                        Case{"echo '{\"event\": \"ready\"}'; read -r line; echo '{\"id\": 0, \"event\": \"nonsense\"}'; sleep 60", "none of"}}) {
    SteadyClock clock;
    const auto engine = CommandEngine::Start(c.command, 0.5, clock, nullptr);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    const auto run = Generate(*requests, **engine, clock, {.timeout_s = 0.5});
    ASSERT_TRUE(run.ok());
    for (const Record& r : run->records) EXPECT_THAT(r.error, HasSubstr(c.why));
  }
}

}  // namespace
}  // namespace hasten::load
