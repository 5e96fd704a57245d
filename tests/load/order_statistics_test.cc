// Ranks, binomial probabilities and bounds on shares against SciPy's figures
// (scipy_figures.py prints them; SciPy 1.17.1), and the coverage they promise.
#include "calib/load/order_statistics.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace hasten::load {
namespace {

TEST(OrderStatistics, RanksAreScipys) {
  struct Row {
    int64_t n;
    double q;
    int64_t value, low, high;   // 0: none
  };
  const Row rows[] = {
      {5, 0.5, 3, 1, 5},
      {29, 0.9, 27, 23, 29},
      {40, 0.5, 20, 15, 26},
      {40, 0.9, 36, 33, 40},
      {59, 0.95, 57, 53, 59},
      {298, 0.99, 296, 292, 0},
      {299, 0.99, 297, 293, 299},
      {300, 0.5, 150, 136, 165},
      {1000, 0.9, 900, 884, 916},
      {1000, 0.99, 990, 985, 996},
      {5000, 0.999, 4995, 4991, 4999},
  };
  for (const Row& r : rows) {
    const Ranks ranks = RanksOf(r.n, r.q);
    EXPECT_EQ(ranks.value, r.value) << r.n << " " << r.q;
    EXPECT_EQ(ranks.low.value_or(0), r.low) << r.n << " " << r.q;
    EXPECT_EQ(ranks.high.value_or(0), r.high) << r.n << " " << r.q;
    EXPECT_EQ(r.n >= LeastCount(r.q), r.high != 0) << r.n << " " << r.q;
  }
}

TEST(OrderStatistics, ABoundOnP99Needs299) {
  EXPECT_EQ(LeastCount(0.99), 299);
  EXPECT_EQ(LeastCount(0.95), 59);
  EXPECT_EQ(LeastCount(0.9), 29);
  EXPECT_EQ(LeastCount(0.5), 5);
}

TEST(OrderStatistics, ProbabilitiesAreScipys) {
  struct Row {
    int64_t k, n;
    double p, cdf;
  };
  const Row rows[] = {
      {0, 10, 0.3, 0.028247524900000005},
      {3, 10, 0.3, 0.64961071840000018},
      {36, 40, 0.9, 0.57686934690699765},
      {990, 1000, 0.99, 0.54269940782511039},
      {4990, 5000, 0.999, 0.031755519528107463},
      {25, 50, 0.5, 0.55613758632960852},
  };
  // lgamma of numbers up to 5000 carries 1e-12 of error into the exponent.
  for (const Row& r : rows) EXPECT_NEAR(BinomialCdf(r.k, r.n, r.p), r.cdf, 1e-11) << r.k << " of " << r.n;
}

TEST(OrderStatistics, SharesAreScipys) {
  struct Row {
    int64_t k, n;
    double low, high;
  };
  const Row rows[] = {
      {38, 40, 0.850848038727, 0.991043054407},
      {40, 40, 0.927842475494, 1},
      {1, 30, 0.00170831564447, 0.148596068659},
      {90, 100, 0.836282376724, 0.944736762317},
  };
  for (const Row& r : rows) {
    EXPECT_NEAR(ShareBelow(r.k, r.n), r.low, 1e-9) << r.k << " of " << r.n;
    EXPECT_NEAR(ShareAbove(r.k, r.n), r.high, 1e-9) << r.k << " of " << r.n;
  }
}

// Of 2,000 samples of 40 exponential values, a bound misses in 5% at most. Standard
// error of that share: 0.5%.
TEST(OrderStatistics, BoundsCoverAsPromised) {
  std::mt19937_64 random(7);
  for (const double q : {0.5, 0.9}) {
    const double truth = -std::log(1 - q);
    int low_missed = 0, high_missed = 0;
    for (int trial = 0; trial < 2000; ++trial) {
      std::vector<double> values(40);
      for (double& v : values) v = -std::log((static_cast<double>(random() >> 11) + 0.5) * 0x1p-53);
      std::sort(values.begin(), values.end());
      const Bounded b = QuantileOf(values, q);
      low_missed += *b.low > truth;
      high_missed += *b.high < truth;
    }
    EXPECT_LE(low_missed, 2000 * 0.065) << q;
    EXPECT_LE(high_missed, 2000 * 0.065) << q;
    EXPECT_GE(high_missed, 5) << q << ": a bound that never misses is no bound at 95%";
  }
}

TEST(OrderStatistics, TooFewOrFailedGiveNoFigure) {
  const double inf = INFINITY;
  std::vector<double> values(298, 1.0);
  EXPECT_FALSE(QuantileOf(values, 0.99).value);
  EXPECT_EQ(QuantileOf(values, 0.99).n, 298);
  values.push_back(1.0);
  EXPECT_EQ(QuantileOf(values, 0.99).value, 1.0);
  values.back() = inf;   // one failure: the bound is that very sample
  EXPECT_EQ(QuantileOf(values, 0.99).value, 1.0);
  EXPECT_FALSE(QuantileOf(values, 0.99).high);
  EXPECT_FALSE(QuantileOf({}, 0.5).value);
}

}  // namespace
}  // namespace hasten::load
