// The gate's parts on a real graph: endings scored with a shared context are those of
// whole sequences, generation with a cache is that without, and data that the artifact
// was calibrated on is refused.
#include <filesystem>
#include <fstream>
#include <numeric>

#include <nlohmann/json.hpp>

#include "calib/abi/artifact.h"
#include "calib/compile/driver.h"
#include "calib/data/documents.h"
#include "calib/data/text_file.h"
#include "calib/gate/gate.h"
#include "calib/gate/greedy.h"
#include "calib/metrics/score.h"
#include "calib/tasks/score_choices.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hasten::gate {
namespace {

using ::testing::HasSubstr;

std::string Fixture(const std::string& name) { return std::string(HASTEN_BINARY_DIR) + "/fixtures/models/" + name; }

class GateModels : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = std::string(HASTEN_BINARY_DIR) + "/gate_models_" + test;
    std::filesystem::create_directories(folder_);
    options_.model = Fixture("good");
    options_.output = folder_ + "/model.hst";
    options_.recipe.weights = Scheme::kI8G32;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Compile() {
    calib::CompileReport report;
    const Status status = calib::CompileModel(options_, &report);
    ASSERT_TRUE(status.ok()) << status.message();
    auto artifact = calib::Artifact::Open(options_.output);
    ASSERT_TRUE(artifact.ok());
    artifact_ = *std::move(artifact);
    auto reference = calib::ReferenceModel::Open(options_.model, 1, nullptr);
    ASSERT_TRUE(reference.ok());
    reference_ = *std::move(reference);
  }

  // Items of several context lengths, endings of several lengths.
  std::vector<calib::EncodedItem> Items() {
    std::vector<calib::EncodedItem> items;
    for (const char* context : {"the quick brown", "a model", "once upon a time there was", "the lazy dog", "a text"}) {
      const calib::ChoiceItem item{context, {"fox jumps over the dog", "text", "model reads"}, 0};
      auto encoded = calib::EncodeChoice(*artifact_, item, {});
      EXPECT_TRUE(encoded.ok());
      EXPECT_GT(encoded->shared, 0);
      items.push_back(*std::move(encoded));
    }
    return items;
  }

  static double LogLikelihood(const calib::EncodedItem& item, const std::vector<int32_t>& whole, const std::function<std::span<const float>(int64_t)>& row) {
    double sum = 0;
    for (size_t i = static_cast<size_t>(item.scored_from); i < whole.size(); ++i) {
      const auto logits = row(static_cast<int64_t>(i) - 1);
      sum += static_cast<double>(logits[static_cast<size_t>(whole[i])]) - calib::LogSumExp(logits);
    }
    return sum;
  }

  std::string folder_;
  calib::CompileOptions options_;
  std::unique_ptr<calib::Artifact> artifact_;
  std::unique_ptr<calib::ReferenceModel> reference_;
};

TEST_F(GateModels, EndingsOfSharedContextsAreThoseOfWholeSequences) {
  Compile();
  const std::vector<calib::EncodedItem> items = Items();
  ASSERT_TRUE(reference_->cached() && reference_->batches());
  const auto store = calib::Store::Open("");
  const auto by_reference = calib::ScoreByReference(*reference_, items, 1, *store, {});
  const auto by_candidate = calib::ScoreByCandidate(*artifact_, items, 1, {*store, "", false}, {});
  ASSERT_TRUE(by_reference.ok()) << by_reference.status().message();
  ASSERT_TRUE(by_candidate.ok()) << by_candidate.status().message();
  auto session = calib::Session::Create(*artifact_, {.threads = 1, .capacity = 512});
  ASSERT_TRUE(session.ok());
  for (size_t i = 0; i < items.size(); ++i) {
    for (size_t e = 0; e < items[i].whole.size(); ++e) {
      const std::vector<int32_t>& whole = items[i].whole[e];
      const auto logits = reference_->Logits(whole);
      ASSERT_TRUE(logits.ok());
      const double r = LogLikelihood(items[i], whole, [&](int64_t p) { return logits->span<float>().subspan(static_cast<size_t>(p * logits->dim(1)), static_cast<size_t>(logits->dim(1))); });
      EXPECT_NEAR((*by_reference)[i][e], r, 1e-4) << i << " " << e;   // sums in another order
      ASSERT_TRUE((*session)->Reset().ok());
      const auto rows = (*session)->Evaluate(whole, calib::Rows::kAll);
      ASSERT_TRUE(rows.ok());
      EXPECT_EQ((*by_candidate)[i][e], LogLikelihood(items[i], whole, [&](int64_t p) { return rows->At(p); })) << i << " " << e;   // to the bit
    }
  }
}

TEST_F(GateModels, GenerationIsThatOfSingleSteps) {
  Compile();
  std::vector<std::vector<int32_t>> prompts;
  for (int32_t p = 0; p < 5; ++p) prompts.push_back({10 + p, 30, 42 + 7 * p, 99});
  const auto r = GreedyByReference(*reference_, prompts, 6, artifact_->info().eos_ids, nullptr);
  const auto c = GreedyByCandidate(*artifact_, prompts, 6, 1, nullptr);
  ASSERT_TRUE(r.ok() && c.ok());
  for (size_t i = 0; i < prompts.size(); ++i) {
    std::vector<int32_t> text = prompts[i];
    for (const int32_t token : (*r)[i].tokens) {   // each is the likeliest of a whole pass
      const auto logits = reference_->Logits(text);
      ASSERT_TRUE(logits.ok());
      const auto last = logits->span<float>().last(static_cast<size_t>(logits->dim(1)));
      EXPECT_EQ(std::max_element(last.begin(), last.end()) - last.begin(), token);
      text.push_back(token);
    }
    EXPECT_TRUE((*r)[i].stopped || (*r)[i].tokens.size() == 6u);
    EXPECT_TRUE((*c)[i].stopped || (*c)[i].tokens.size() == 6u);
  }
}

TEST(Greedy, DivergenceAndRepetition) {
  const Continuation a{{1, 2, 3}, false}, b{{1, 9, 3}, false}, shorter{{1, 2}, true};
  EXPECT_EQ(FirstDivergent(a, a), -1);
  EXPECT_EQ(FirstDivergent(a, b), 1);
  EXPECT_EQ(FirstDivergent(a, shorter), 2);
  EXPECT_EQ(RepetitionRate(std::vector<int32_t>{1, 2, 3}), 0);
  EXPECT_EQ(RepetitionRate(std::vector<int32_t>{1, 1, 1, 1, 1, 1}), 2.0 / 3);
  EXPECT_EQ(RepetitionRate(std::vector<int32_t>{1, 2, 3, 4, 5, 6}), 0);
}

TEST_F(GateModels, CalibrationDataIsRefusedByDocument) {
  const std::string text = *calib::ReadFile(Fixture("gate") + "/text.jsonl");
  const auto documents = calib::SplitDocuments(text, "text.jsonl");
  ASSERT_TRUE(documents.ok());
  options_.recipe.calibration.emplace().text = folder_ + "/calibration.jsonl";
  {
    std::ofstream out(options_.recipe.calibration->text);
    for (const size_t d : {size_t{2}, size_t{17}}) out << nlohmann::json{{"text", (*documents)[d]}}.dump() << "\n";
  }
  options_.recipe.calibration->context = 8;
  Compile();
  GateOptions gate;
  gate.reference = Fixture("good");
  gate.candidate = options_.output;
  gate.policy = Fixture("gate") + "/gate.toml";
  const Result<Report> report = RunGate(gate);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().code(), Code::kBadInput);
  EXPECT_THAT(report.status().message(), HasSubstr("calibrated on 2 of the 40 documents"));
  EXPECT_THAT(report.status().message(), HasSubstr("document 3 \""));
  EXPECT_THAT(report.status().message(), HasSubstr("document 18 \""));
}

}  // namespace
}  // namespace hasten::gate
