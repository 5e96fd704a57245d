// What the decision rule does when the truth is known: how often an artifact exactly
// at the margin passes (at most 5% plus the simulation's noise), and how often one at
// the design point does (at least 80%).
#include <cmath>
#include <cstdio>
#include <vector>

#include "calib/stats/bootstrap.h"
#include "calib/stats/decide.h"
#include "calib/stats/distributions.h"
#include "calib/stats/paired.h"
#include "calib/stats/random.h"
#include "gtest/gtest.h"

namespace hasten::stats {
namespace {

// Positions of a document share its difficulty, and single ones are skewed: a
// lognormal factor a document times an exponential. On WikiText-2 the KL divergence of
// SmolLM2's INT8 form has a spread of 0.2 to 0.3 of the mean between documents.
constexpr double kDocumentSpread = 0.3;
constexpr int kPositions = 255;

double Gaussian(Random& random) { return NormalQuantile(random.Unit()); }

// Means of documents whose expectation is `mean`.
std::vector<double> Documents(Random& random, int count, double mean) {
  std::vector<double> out;
  for (int i = 0; i < count; ++i) {
    const double level = mean * std::exp(kDocumentSpread * Gaussian(random) - kDocumentSpread * kDocumentSpread / 2);
    double sum = 0;
    for (int p = 0; p < kPositions; ++p) sum += -std::log(random.Unit());
    out.push_back(level * sum / kPositions);
  }
  return out;
}

Bootstrap OfMean(const std::vector<double>& x, uint64_t seed) {
  const auto statistic = [&x](std::span<const uint32_t> weights) {
    double sum = 0, n = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += weights[i] * x[i], n += weights[i];
    return sum / n;
  };
  return Bootstrap(static_cast<int64_t>(x.size()), statistic, true, 1000, seed);
}

double PassRate(int trials, int documents, double mean, double margin) {
  Random random(11);
  int passed = 0;
  for (int t = 0; t < trials; ++t) passed += OfMean(Documents(random, documents, mean), static_cast<uint64_t>(t)).Bound(1 - kAlpha) <= margin;
  return static_cast<double>(passed) / trials;
}

// Three standard errors of a share of 5% in 2,000 trials.
const double kNoise = 3 * std::sqrt(0.05 * 0.95 / 2000);

TEST(Simulation, FalsePassRateAtTheMargin) {
  for (const int documents : {30, 40, 62}) {
    const double rate = PassRate(2000, documents, 0.01, 0.01);
    std::printf("%d documents: %.4f pass at the margin\n", documents, rate);
    EXPECT_LE(rate, kAlpha + kNoise) << documents;
    EXPECT_GE(rate, 0.02) << documents << ": needlessly strict";
  }
}

TEST(Simulation, PowerAtTheDesignPoint) {
  // The distance that the report would call detectable, on average.
  Random random(3);
  double effect = 0;
  for (int t = 0; t < 200; ++t) {
    const Bootstrap b = OfMean(Documents(random, 40, 0.01), static_cast<uint64_t>(t));
    effect += DetectableEffect(b.Bound(1 - kAlpha) - b.estimate(), b.standard_error()) / 200;
  }
  const double power = PassRate(1000, 40, 0.01, 0.01 + effect);
  std::printf("power %.3f at %.5f from the margin\n", power, effect);
  EXPECT_NEAR(power, kPower, 0.05);
}

TEST(Simulation, TasksAtTheMargin) {
  // 1,000 items, 5% flips, margin 2 points: true loss at the margin, and none.
  Random random(5);
  const auto rate = [&random](double loss) {
    int passed = 0;
    constexpr int kTrials = 2000;
    for (int t = 0; t < kTrials; ++t) {
      PairedCounts c{1000, 0, 0};
      for (int i = 0; i < 1000; ++i) {
        const double u = random.Unit();
        c.only_reference += u < 0.025 + loss / 2;
        c.only_candidate += u > 1 - (0.025 - loss / 2);
      }
      passed += PairedBound(c, 1 - kAlpha) <= 0.02;
    }
    return static_cast<double>(passed) / kTrials;
  };
  const double at_margin = rate(0.02), equal = rate(0);
  std::printf("tasks: %.4f pass at the margin, %.3f when equal\n", at_margin, equal);
  EXPECT_LE(at_margin, kAlpha + kNoise);
  EXPECT_GE(equal, kPower);
}

}  // namespace
}  // namespace hasten::stats
