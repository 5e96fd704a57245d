// An interrupted run's scores of tasks: what was finished is read, the rest is computed.
#include <atomic>
#include <filesystem>
#include <string>

#include "calib/compile/driver.h"
#include "calib/tasks/kept_scores.h"
#include "calib/tasks/score_choices.h"
#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

TEST(KeptScores, AnInterruptedRunGoesOn) {
  const std::string models = StrCat(HASTEN_BINARY_DIR, "/fixtures/models"), folder = StrCat(HASTEN_BINARY_DIR, "/kept_scores_test");
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  CompileOptions options;
  options.model = models + "/good";
  options.output = folder + "/model.hst";
  CompileReport report;
  ASSERT_TRUE(CompileModel(options, &report).ok());
  const auto artifact = Artifact::Open(options.output);
  const auto items = ReadChoices(models + "/gate/choices.jsonl", 100);
  ASSERT_TRUE(artifact.ok() && items.ok());
  std::vector<EncodedItem> encoded;
  for (const ChoiceItem& item : *items) encoded.push_back(*EncodeChoice(**artifact, item, {}));
  const auto store = Store::Open(folder + "/cache");
  ASSERT_TRUE(store.ok());

  // Interrupted after the first of four blocks.
  std::atomic<bool> cancel = false;
  const ChoiceProgress progress{[&](int64_t done, int64_t) { cancel = done > 0; }, &cancel};
  EXPECT_EQ(ScoreByCandidate(**artifact, encoded, 1, {*store, "d", false}, progress).status().code(), Code::kCancelled);

  // Marks what was kept, to see where scores come from.
  std::vector<const EncodedItem*> first;
  for (size_t i = 0; i < 32; ++i) first.push_back(&encoded[i]);
  const std::string key = KeyOfScores("candidate choices 1", "d", first);
  auto kept = ReadScores(*store, key, first);
  ASSERT_TRUE(kept.has_value());
  const double was = (*kept)[7][1];
  (*kept)[7][1] = -12345;
  KeepScores(*store, key, *kept);

  const auto all = [&](const CandidateStore& how) { return *ScoreByCandidate(**artifact, encoded, 1, how, {}); };
  auto resumed = all({*store, "d", true});
  EXPECT_EQ(resumed[7][1], -12345);
  EXPECT_EQ(all({*store, "another artifact", true})[7][1], was);
  const auto fresh = all({*store, "d", false});
  EXPECT_EQ(fresh[7][1], was);
  resumed[7][1] = was;
  EXPECT_EQ(resumed, fresh);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace hasten::calib
