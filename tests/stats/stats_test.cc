// Statistics against SciPy's and statsmodels' figures (recorded by record.py).
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "calib/stats/bootstrap.h"
#include "calib/stats/decide.h"
#include "calib/stats/distributions.h"
#include "calib/stats/paired.h"
#include "gtest/gtest.h"
#include "tests/stats/recorded.inc"

namespace hasten::stats {
namespace {

// A mean over clusters of equal size.
ClusterStatistic MeanOf(std::span<const double> x) {
  return [x](std::span<const uint32_t> weights) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += weights[i] * x[i], n += weights[i];
    return sum / n;
  };
}

TEST(Distributions, AreScipys) {
  for (const auto& [p, x] : kNormalQuantile) {
    EXPECT_NEAR(NormalQuantile(p), x, 1e-8 + 1e-13 * std::abs(x)) << p;   // 1 - 1e-9 has few digits
    EXPECT_NEAR(NormalCdf(x), p, 1e-15 + 1e-12 * p) << x;
  }
  for (const auto& [p, degrees, x] : kStudentQuantile) EXPECT_NEAR(StudentQuantile(p, degrees), x, 1e-9 * std::abs(x)) << p << " " << degrees;
  for (const auto& [k, n, p, cdf] : kBinomialCdf) {
    EXPECT_NEAR(BinomialCdf(static_cast<int64_t>(k), static_cast<int64_t>(n), p), cdf, 1e-11 * cdf) << k << " of " << n;
  }
}

TEST(Paired, McNemarIsStatsmodels) {
  for (const auto& [b, w, p] : kMcNemar) {
    EXPECT_NEAR(McNemarExact({1000, static_cast<int64_t>(b), static_cast<int64_t>(w)}), p, 1e-11) << b << " " << w;
  }
}

TEST(Paired, ScoreIsThatOfTheRestrictedMaximum) {
  for (const auto& [n, b, w, margin, z] : kTango) {
    EXPECT_NEAR(PairedScore({static_cast<int64_t>(n), static_cast<int64_t>(b), static_cast<int64_t>(w)}, margin), z, 1e-5) << n << " " << margin;
  }
}

TEST(Paired, TheBoundInvertsTheScore) {
  const PairedCounts c{1000, 31, 19};
  for (const double level : {0.025, 0.05, 0.5, 0.95}) {
    EXPECT_NEAR(NormalCdf(-PairedScore(c, PairedBound(c, level))), level, 1e-9);
  }
  // Without a flip there is still an upper bound above zero.
  EXPECT_GT(PairedBound({1000, 0, 0}, 0.95), 0.001);
  EXPECT_LT(PairedBound({1000, 0, 0}, 0.95), 0.004);
}

TEST(Decide, HolmIsStatsmodels) {
  std::vector<double> p;
  for (const auto& row : kHolm) p.push_back(row[0]);
  const std::vector<double> adjusted = Holm(p);
  for (size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(adjusted[i], kHolm[i][1], 1e-12);
  EXPECT_TRUE(Holm({}).empty());
}

TEST(Decide, TheDesignsItems) {
  // n = (1.645 + 0.842)^2 psi / delta^2: margin of 1 point with 2, 5, 10% flips.
  for (const auto& [flips, items] : {std::pair{0.02, 1237.0}, {0.05, 3092.0}, {0.10, 6183.0}}) {
    const double error = std::sqrt(flips / 100), effect = DetectableEffect(NormalQuantile(1 - kAlpha) * error, error);
    EXPECT_NEAR(static_cast<double>(SamplesToDecide(100, effect, 0.01)), items, items * 0.001);
  }
  EXPECT_EQ(SamplesToDecide(100, 1, 0), INT64_MAX);
}

TEST(Bootstrap, BcaIsScipys) {
  const Bootstrap b(std::size(kClusters), MeanOf(kClusters), /*expanded=*/false, 400000);
  for (const auto& [level, bound] : kBca) EXPECT_NEAR(b.Bound(level), bound, 0.004 * bound) << level;   // sampling of 400,000
  EXPECT_NEAR(b.standard_error(), kStandardError[0][0], 0.005 * kStandardError[0][0]);
}

TEST(Bootstrap, LevelsInvertBounds) {
  for (const bool expanded : {false, true}) {
    const Bootstrap b(std::size(kClusters), MeanOf(kClusters), expanded);
    for (const double level : {0.02, 0.05, 0.5, 0.95}) EXPECT_NEAR(b.LevelOf(b.Bound(level)), level, 0.003) << level;
    EXPECT_LT(b.LevelOf(b.estimate() / 10), 0.001);
  }
}

TEST(Bootstrap, IsTheSameEveryTimeAndWiderWhenExpanded) {
  const Bootstrap a(std::size(kClusters), MeanOf(kClusters)), b(std::size(kClusters), MeanOf(kClusters));
  EXPECT_EQ(a.Bound(0.95), b.Bound(0.95));
  EXPECT_GT(a.Bound(0.95), Bootstrap(std::size(kClusters), MeanOf(kClusters), false).Bound(0.95));
}

TEST(Bootstrap, OfAConstantAndOfNaN) {
  const std::vector<double> same(40, 0.25);
  const Bootstrap b(40, MeanOf(same));
  ASSERT_TRUE(b.finite());
  EXPECT_EQ(b.Bound(0.95), 0.25);
  EXPECT_GT(b.LevelOf(0.3), 0.999);
  std::vector<double> broken = same;
  broken[7] = std::nan("");
  EXPECT_FALSE(Bootstrap(40, MeanOf(broken)).finite());
}

}  // namespace
}  // namespace hasten::stats
