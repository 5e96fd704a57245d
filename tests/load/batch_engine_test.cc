// The batching engine on a made-up model: what it generates is what one sequence alone
// gives, requests are worked on together, and those beyond its number wait.
#include <algorithm>
#include <memory>

#include "calib/load/batch_engine.h"
#include "calib/machine/temp_folder.h"
#include "calib/synthetic/write.h"
#include "compiler/artifact/writer.h"
#include "gtest/gtest.h"

namespace hasten::load {
namespace {

class Batching : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    calib::SyntheticOptions options;
    options.shape = "tiny";
    options.target = calib::TempFolder() + "/hasten-batch-engine-test.hst";
    options.tool_version = "test";
    options.threads = 1;
    auto writer = calib::WriteSynthetic(options);
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    writer_ = std::move(*writer);
  }
  static void TearDownTestSuite() { writer_.reset(); }

  // All at once.
  static std::vector<Outcome> Serve(int64_t sequences, const std::vector<Request>& requests) {
    SteadyClock clock;
    auto engine = BatchEngine::Open({.artifact = writer_->pending_path(), .threads = 1, .sequences = sequences, .capacity = 400}, clock);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    std::vector<Outcome> outcomes(requests.size());
    for (size_t i = 0; i < requests.size(); ++i) {
      (*engine)->Submit(requests[i], [&outcomes, i](Outcome o) { outcomes[i] = std::move(o); });
    }
    (*engine)->Drain();
    return outcomes;
  }

  static std::vector<Request> Requests(std::initializer_list<int64_t> lengths, int64_t output_tokens) {
    std::vector<Request> requests;
    for (const int64_t length : lengths) {
      Request r{.id = static_cast<int64_t>(requests.size()), .output_tokens = output_tokens};
      for (int64_t i = 0; i < length; ++i) r.prompt.push_back(static_cast<int32_t>((7 * i + 13 * r.id) % 97));
      requests.push_back(std::move(r));
    }
    return requests;
  }
  static std::unique_ptr<ArtifactWriter> writer_;
};
std::unique_ptr<ArtifactWriter> Batching::writer_;

TEST_F(Batching, EachRequestGetsItsOwnTokens) {
  const auto requests = Requests({3, 300, 1, 64, 257, 17, 256, 5, 90}, 12);
  const auto artifact = calib::Artifact::Open(writer_->pending_path());
  ASSERT_TRUE(artifact.ok());
  const auto session = calib::Session::Create(**artifact, {.threads = 1, .capacity = 400});
  ASSERT_TRUE(session.ok());
  std::vector<std::vector<int32_t>> alone;
  for (const Request& r : requests) {
    ASSERT_TRUE((*session)->Reset().ok());
    std::vector<int32_t> history = r.prompt, ids;
    for (std::span<const int32_t> next = history; ids.size() < 12; next = {&history.back(), 1}) {
      const auto rows = (*session)->Evaluate(next, calib::Rows::kLast);
      ASSERT_TRUE(rows.ok());
      ids.push_back(*(*session)->SampleNext(history, {}));
      history.push_back(ids.back());
    }
    alone.push_back(ids);
  }
  EXPECT_NE(alone[0], alone[1]);   // a mix-up would be seen
  for (const int64_t sequences : {1, 3, 8}) {
    const auto outcomes = Serve(sequences, requests);
    for (size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ(outcomes[i].error, "");
      EXPECT_EQ(outcomes[i].ids, alone[i]) << i << " of " << sequences << " at once";
      EXPECT_EQ(outcomes[i].tokens.size(), 12u);
      EXPECT_TRUE(std::is_sorted(outcomes[i].tokens.begin(), outcomes[i].tokens.end()));
      EXPECT_LE(outcomes[i].start, outcomes[i].tokens[0]);
    }
  }
}

TEST_F(Batching, WorksOnSeveralAtOnceAndOnNoMore) {
  const auto requests = Requests({8, 8, 8, 8, 8, 8}, 40);
  const auto together = Serve(3, requests);
  const auto end = [&](size_t i) { return together[i].tokens.back(); };
  EXPECT_LT(std::max(together[0].start, std::max(together[1].start, together[2].start)), std::min(end(0), std::min(end(1), end(2))));
  EXPECT_GE(together[3].start, std::min(end(0), std::min(end(1), end(2))));   // waited for a place
  const auto alone = Serve(1, requests);
  for (size_t i = 1; i < alone.size(); ++i) EXPECT_GE(alone[i].start, alone[i - 1].tokens.back());
}

// Tokens of a sequence go on coming while a prompt of several steps is read.
TEST_F(Batching, ALongPromptDoesNotHoldUpTheOthers) {
  const auto outcomes = Serve(2, Requests({4, 390}, 8));
  EXPECT_LT(outcomes[0].tokens[1], outcomes[1].tokens[0]);
}

TEST_F(Batching, AnOldRequestIsGivenUp) {
  SteadyClock clock;
  auto engine = BatchEngine::Open({.artifact = writer_->pending_path(), .threads = 1, .sequences = 2, .capacity = 400, .timeout_s = 0}, clock);
  ASSERT_TRUE(engine.ok());
  Outcome outcome;
  (*engine)->Submit(Requests({8}, 40)[0], [&](Outcome o) { outcome = std::move(o); });
  (*engine)->Drain();
  EXPECT_EQ(outcome.error, "given up after 0 s");
}

}  // namespace
}  // namespace hasten::load
