// Asymmetric calibration: the corrected weights give on the quantized model's inputs
// what the original gives on its own, as well as any weights can.
#include "passes/quant/gptaq.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "passes/quant/cholesky.h"
#include "tests/passes/quant/loss.h"

namespace hasten::passes {
namespace {

constexpr int64_t kN = 70, kK = 33, kTokens = 400;   // more than a tile of rows

struct Observed {
  std::vector<float> x, rounded, stream;   // stream: what W's result is to make up for, [tokens][n], or empty
  std::vector<double> h, c, g;
};

Observed Observe() {
  Observed o{Inputs(kTokens, kK, 1), {}, {}, {}, {}, {}};
  std::vector<float> missed = Normal(kTokens * kK, 3);
  o.rounded = o.x;
  for (size_t i = 0; i < missed.size(); ++i) missed[i] = 0.3f * missed[i] + 0.2f * o.x[i], o.rounded[i] -= missed[i];
  o.h = Products(o.rounded, o.rounded, kK);
  o.c = Products(missed, o.rounded, kK);
  return o;
}

// || W X + (R - R^) - V X^ ||^2.
double Miss(const Observed& o, const std::vector<float>& w, const std::vector<float>& v) {
  double sum = 0;
  for (int64_t t = 0; t < kTokens; ++t)
    for (int64_t r = 0; r < kN; ++r) {
      double y = o.stream.empty() ? 0.0 : double{o.stream[static_cast<size_t>(t * kN + r)]};
      for (int64_t i = 0; i < kK; ++i) {
        const size_t a = static_cast<size_t>(r * kK + i), b = static_cast<size_t>(t * kK + i);
        y += double{w[a]} * double{o.x[b]} - double{v[a]} * double{o.rounded[b]};
      }
      sum += y * y;
    }
  return sum;
}

std::vector<float> Correct(const Observed& o, std::vector<float> w, double strength, int threads) {
  std::vector<double> h = o.h, c = o.c, g = o.g;
  EXPECT_TRUE(CorrectForInputs(kN, kK, h, c, g, {strength, 1e-9}, **ThreadPool::Create(threads), w).ok());
  return w;
}

// With a stream's error that the inputs tell something of, and without.
Observed ObserveStream() {
  Observed o = Observe();
  o.stream = Normal(kTokens * kN, 11);
  for (int64_t t = 0; t < kTokens; ++t)
    for (int64_t r = 0; r < kN; ++r) o.stream[static_cast<size_t>(t * kN + r)] += o.rounded[static_cast<size_t>(t * kK + r % kK)];
  o.g.resize(kN * kK);
  for (int64_t t = 0; t < kTokens; ++t)
    for (int64_t r = 0; r < kN; ++r)
      for (int64_t i = 0; i < kK; ++i)
        o.g[static_cast<size_t>(r * kK + i)] += double{o.stream[static_cast<size_t>(t * kN + r)]} * double{o.rounded[static_cast<size_t>(t * kK + i)]};
  return o;
}

void ExpectMinimum(const Observed& o) {
  const std::vector<float> w = Normal(kN * kK, 5), best = Correct(o, w, 1, 1);
  const double least = Miss(o, w, best);
  EXPECT_LT(least, Miss(o, w, Correct(o, w, 0.5, 1)));
  EXPECT_LT(Miss(o, w, Correct(o, w, 0.5, 1)), Miss(o, w, w));
  for (const size_t at : {size_t{0}, size_t{40}, size_t{kN * kK - 1}})
    for (const float step : {-0.01f, 0.01f}) {
      std::vector<float> moved = best;
      moved[at] += step;
      EXPECT_GT(Miss(o, w, moved), least) << at;
    }
}

TEST(Gptaq, ReachesTheMinimum) {
  ExpectMinimum(Observe());
  ExpectMinimum(ObserveStream());
}

TEST(Gptaq, ThreadsDoNotChangeABit) {
  const Observed o = Observe();
  const std::vector<float> w = Normal(kN * kK, 6);
  EXPECT_EQ(Correct(o, w, 1, 1), Correct(o, w, 1, 4));
}

TEST(Gptaq, NothingObservedChangesNothing) {
  const std::vector<float> w = Normal(kN * kK, 7);
  const Observed none{{}, {}, {}, std::vector<double>(kK * kK), std::vector<double>(kK * kK), {}};
  EXPECT_EQ(Correct(none, w, 1, 1), w);
}

TEST(Gptaq, Refusals) {
  Observed o = Observe();
  std::vector<float> w = Normal(kN * kK, 8);
  const auto pool = ThreadPool::Create(1);
  EXPECT_EQ(CorrectForInputs(kN, kK - 1, o.h, o.c, {}, {}, **pool, w).code(), Code::kUsage);
  o.h[0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(CorrectForInputs(kN, kK, o.h, o.c, {}, {}, **pool, w).code(), Code::kBadInput);
}

TEST(Gptaq, TheFactorSolvesItsSystem) {
  std::vector<double> h = Hessian(kK, 9);
  const std::vector<double> whole = h;
  constexpr int64_t kRows = 11;   // more than are taken side by side
  const std::vector<float> wanted = Normal(kRows * kK, 10);
  std::vector<double> b(wanted.size());
  for (int64_t r = 0; r < kRows; ++r)
    for (int64_t i = 0; i < kK; ++i)
      for (int64_t j = 0; j < kK; ++j)
        b[static_cast<size_t>(r * kK + i)] += double{wanted[static_cast<size_t>(r * kK + j)]} * whole[static_cast<size_t>(j * kK + i)];
  ASSERT_TRUE(Cholesky(kK, h, **ThreadPool::Create(2)));
  Solve(kK, h, kRows, b, **ThreadPool::Create(2));
  for (size_t i = 0; i < b.size(); ++i) ASSERT_NEAR(b[i], wanted[i], 1e-8) << i;   // fp64
}

}  // namespace
}  // namespace hasten::passes
