// Metrics against values worked out by hand, and what they do with NaN and infinity.
#include "calib/metrics/metric.h"

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace hasten::calib {
namespace {

double Compute(std::string_view key, std::span<const TokenScore> scores) {
  for (const Metric& m : AllMetrics()) {
    if (m.key == key) return m.compute(scores);
  }
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
  EXPECT_NEAR(Compute("perplexity", scores), 8, 1e-12);
  EXPECT_NEAR(Compute("reference_perplexity", scores), 2, 1e-12);
  EXPECT_NEAR(Compute("kld_mean", scores), 0.5, 1e-12);
  EXPECT_NEAR(Compute("kld_p99", scores), 0.99, 1e-12);
  EXPECT_NEAR(Compute("kld_max", scores), 1.0, 1e-12);
  EXPECT_NEAR(Compute("top1_agreement", scores), 40.0 / 101, 1e-12);
}

TEST(Metrics, OfOneScore) {
  const std::vector<TokenScore> one = {{1, 2, 0.125, true}};
  EXPECT_EQ(Compute("kld_p99", one), 0.125);
  EXPECT_EQ(Compute("kld_max", one), 0.125);
  EXPECT_EQ(Compute("top1_agreement", one), 1);
}

TEST(Metrics, NanIsNotHidden) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::vector<TokenScore>& scores :
       {std::vector<TokenScore>{{nan, nan, nan, false}, {1, 1, 1, true}}, std::vector<TokenScore>{{1, 1, 1, true}, {nan, nan, nan, false}}}) {
    for (const char* key : {"perplexity", "reference_perplexity", "kld_mean", "kld_p99", "kld_max"}) {
      EXPECT_TRUE(std::isnan(Compute(key, scores))) << key;
    }
  }
}

}  // namespace
}  // namespace hasten::calib
