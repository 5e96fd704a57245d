// Metrics against values worked out by hand, and what they do with NaN and infinity.
#include "calib/metrics/metric.h"

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

double ValueOf(std::string_view key, std::span<const TokenScore> scores) {
  const Metric* metric = FindMetric(key);
  if (metric) return hasten::calib::Compute(*metric, scores);
  ADD_FAILURE() << "no metric " << key;
  return 0;
}

TEST(ScoreToken, TwoTokensByHand) {
  // p = (0.75, 0.25), q = (0.5, 0.5); adding a constant to logits changes nothing.
  const std::vector<float> p = {std::log(3.0f) + 7, 7}, q = {-2, -2};
  const TokenScore s = ScoreToken(p, q, 1);
  EXPECT_NEAR(s.reference_nll, -std::log(0.25), 1e-6);
  EXPECT_NEAR(s.candidate_nll, std::log(2.0), 1e-12);
  EXPECT_NEAR(s.kld, 0.75 * std::log(1.5) + 0.25 * std::log(0.5), 1e-7);
  EXPECT_TRUE(s.same_top1);  // a tie goes to the lowest id
}

TEST(ScoreToken, IdenticalRowsDivergeByNothing) {
  const std::vector<float> p = {1.5f, -3, 80, 0.25f, -90};
  const TokenScore s = ScoreToken(p, p, 0);
  EXPECT_EQ(s.kld, 0);
  EXPECT_EQ(s.reference_nll, s.candidate_nll);
}

TEST(ScoreToken, MinusInfinityIsZeroProbability) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> p = {0, -inf, 0}, q = {0, 0, 0};
  EXPECT_NEAR(ScoreToken(p, q, 0).kld, std::log(1.5), 1e-12);
  EXPECT_EQ(ScoreToken(q, p, 0).kld, std::numeric_limits<double>::infinity());
}

TEST(Metrics, OfKnownScores) {
  std::vector<TokenScore> scores(101);
  for (int i = 0; i <= 100; ++i) scores[static_cast<size_t>(i)] = {std::log(2.0), std::log(8.0), 0.01 * i, i < 40};
  EXPECT_NEAR(ValueOf("perplexity", scores), 8, 1e-12);
  EXPECT_NEAR(ValueOf("reference_perplexity", scores), 2, 1e-12);
  EXPECT_NEAR(ValueOf("kld_mean", scores), 0.5, 1e-12);
  EXPECT_NEAR(ValueOf("kld_p99", scores), 0.99, 1e-12);
  EXPECT_NEAR(ValueOf("kld_max", scores), 1.0, 1e-12);
  EXPECT_NEAR(ValueOf("top1_agreement", scores), 40.0 / 101, 1e-12);
}

TEST(Metrics, TopTokensAndProbabilities) {
  const std::vector<float> p = {0, 5, 4, 3, 2, 1, -9}, q = {5, 0, 4, 3, 2, -9, 1};
  const TokenScore s = ScoreToken(p, q, 3);
  EXPECT_EQ(s.reference_top, 1);
  EXPECT_EQ(s.candidate_top, 0);
  EXPECT_FALSE(s.same_top1);
  EXPECT_EQ(s.shared_top5, 3);   // {1,2,3,4,5} and {0,2,3,4,6}
  double sum = 0;
  for (const float x : p) sum += std::exp(static_cast<double>(x));
  EXPECT_NEAR(s.reference_top_p, std::exp(5.0) / sum, 1e-15);
  EXPECT_EQ(ScoreToken(std::vector<float>{1, 1}, std::vector<float>{1, 1}, 0).shared_top5, 2);
}

TEST(Metrics, OfOutputsAlone) {
  const std::vector<float> a = {3, 4, 0}, b = {4, 3, 0}, zero = {0, 0, 0};
  const TokenScore s = ScoreOutputs(a, b);
  EXPECT_NEAR(s.cosine, 24.0 / 25, 1e-15);
  EXPECT_FALSE(s.same_top1);
  EXPECT_EQ(s.shared_top5, 3);
  EXPECT_EQ(ValueOf("top5_agreement", std::vector<TokenScore>{s}), 1);   // three outputs of three
  EXPECT_EQ(ScoreOutputs(a, zero).cosine, 0);
  EXPECT_EQ(ScoreOutputs(zero, zero).cosine, 1);
  EXPECT_TRUE(std::isnan(s.kld) && std::isnan(s.candidate_nll));   // not known: never a pass
}

TEST(Metrics, ChangesOfProbability) {
  std::vector<TokenScore> scores = {{-std::log(0.5), -std::log(0.4), 0, true}, {-std::log(0.2), -std::log(0.4), 0, true}};
  EXPECT_NEAR(ValueOf("delta_p_mean", scores), 5, 1e-12);
  EXPECT_NEAR(ValueOf("delta_p_rms", scores), 100 * std::sqrt((0.01 + 0.04) / 2), 1e-12);
  EXPECT_NEAR(ValueOf("perplexity_ratio", scores), std::sqrt(0.5 / 0.4 * 0.2 / 0.4), 1e-12);
}

// A resample in which every document occurs once is the sample; weights repeat.
TEST(Metrics, OverDocumentsIsTheMetricOfTheResample) {
  std::vector<TokenScore> scores, doubled;
  std::vector<int32_t> document;
  for (int i = 0; i < 97; ++i) {
    scores.push_back({0.01 * i, 0.012 * i, 0.003 * ((i * 37) % 97), i % 3 != 0, i % 6});
    document.push_back(i % 5);
    for (int k = 0; k < (document.back() == 2 ? 0 : document.back() == 4 ? 3 : 1); ++k) doubled.push_back(scores.back());
  }
  for (const Metric& metric : AllMetrics()) {
    const auto statistic = OverDocuments(metric, scores, document, 5);
    EXPECT_NEAR(statistic(std::vector<uint32_t>{1, 1, 1, 1, 1}), Compute(metric, scores), 1e-12) << metric.key;
    EXPECT_NEAR(statistic(std::vector<uint32_t>{1, 1, 0, 1, 3}), Compute(metric, doubled), 1e-12) << metric.key;
  }
}

TEST(Metrics, OfOneScore) {
  const std::vector<TokenScore> one = {{1, 2, 0.125, true}};
  EXPECT_EQ(ValueOf("kld_p99", one), 0.125);
  EXPECT_EQ(ValueOf("kld_max", one), 0.125);
  EXPECT_EQ(ValueOf("top1_agreement", one), 1);
}

TEST(Metrics, NanIsNotHidden) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::vector<TokenScore>& scores :
       {std::vector<TokenScore>{{nan, nan, nan, false}, {1, 1, 1, true}}, std::vector<TokenScore>{{1, 1, 1, true}, {nan, nan, nan, false}}}) {
    for (const char* key : {"perplexity", "reference_perplexity", "kld_mean", "kld_p99", "kld_max"}) {
      EXPECT_TRUE(std::isnan(ValueOf(key, scores))) << key;
    }
  }
}

}  // namespace
}  // namespace hasten::calib
