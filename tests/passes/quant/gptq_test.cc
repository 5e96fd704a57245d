// GPTQ: a lower loss than rounding, the loss it reports, threads, dead inputs, refusals.
#include "passes/quant/gptq.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "passes/quant/cholesky.h"
#include "runtime/quant/layout.h"

namespace hasten::passes {
namespace {

constexpr int64_t kN = 19, kK = 150;   // no multiples of the tile of rows or of a group

std::vector<float> Normal(int64_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> v(static_cast<size_t>(count));
  for (float& x : v) x = normal(rng);
  return v;
}

// Of correlated inputs of different sizes, as a model's are.
std::vector<double> Hessian(int64_t k, uint32_t seed) {
  std::vector<double> h(static_cast<size_t>(k * k));
  const std::vector<float> noise = Normal(4 * k * k, seed), common = Normal(4 * k, seed + 1);
  for (int64_t t = 0; t < 4 * k; ++t) {
    std::vector<double> x(static_cast<size_t>(k));
    for (int64_t i = 0; i < k; ++i)
      x[static_cast<size_t>(i)] = (noise[static_cast<size_t>(t * k + i)] + 2 * common[static_cast<size_t>(t)]) * (1 + static_cast<double>(i % 7));
    for (int64_t r = 0; r < k; ++r)
      for (int64_t c = 0; c < k; ++c) h[static_cast<size_t>(r * k + c)] += x[static_cast<size_t>(r)] * x[static_cast<size_t>(c)];
  }
  return h;
}

// trace((W - W^) H (W - W^)'), straight from its definition.
double Loss(Scheme scheme, int64_t n, int64_t k, const std::vector<float>& w, const OwnedCodes& c, const std::vector<double>& h) {
  const PackedLayout l = LayoutOf(scheme, n, k);
  double loss = 0;
  for (int64_t r = 0; r < n; ++r) {
    std::vector<double> e(static_cast<size_t>(k));
    for (int64_t i = 0; i < k; ++i) {
      const size_t g = static_cast<size_t>(r * l.groups + i / l.group), at = static_cast<size_t>(r * k + i);
      e[static_cast<size_t>(i)] = double{w[at]} - double{c.scale[g]} * (c.codes[at] - (c.zero.empty() ? 0 : c.zero[g]));
    }
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j) loss += e[static_cast<size_t>(i)] * h[static_cast<size_t>(i * k + j)] * e[static_cast<size_t>(j)];
  }
  return loss;
}

struct Outcome {
  OwnedCodes codes;
  double error = 0;
};

Outcome Quantize(Scheme scheme, const std::vector<float>& w, std::vector<double> h, double damping, int threads) {
  const auto pool = ThreadPool::Create(threads);
  Outcome o;
  EXPECT_TRUE(QuantizeGptq(scheme, kN, kK, w, h, {damping}, **pool, &o.codes, &o.error).ok());
  return o;
}

TEST(Gptq, TheFactorRebuildsTheHessian) {
  const auto pool = ThreadPool::Create(2);
  const std::vector<double> h = Hessian(kK, 3);
  std::vector<double> work = h;
  Feedback f;
  ASSERT_TRUE(Factor(kK, work, **pool, &f));
  const auto u = [&](int64_t r, int64_t c) { return r == c ? 1.0 : r < c ? double{f.u[static_cast<size_t>(c * kK + r)]} : 0.0; };
  for (int64_t r = 0; r < kK; r += 7)
    for (int64_t c = 0; c < kK; c += 5) {
      double sum = 0;
      for (int64_t i = 0; i < kK; ++i) sum += u(r, i) * f.d[static_cast<size_t>(i)] * u(c, i);
      const double wanted = h[static_cast<size_t>(r * kK + c)];
      EXPECT_NEAR(sum, wanted, 1e-5 * std::sqrt(h[static_cast<size_t>(r * kK + r)] * h[static_cast<size_t>(c * kK + c)])) << r << ", " << c;  // U, D are fp32
    }
}

TEST(Gptq, LosesLessThanRoundingAndSaysHowMuch) {
  const std::vector<float> w = Normal(kN * kK, 1);
  const std::vector<double> h = Hessian(kK, 2);
  for (const SchemeInfo& info : AllSchemes()) {
    if (!info.integer) continue;
    OwnedCodes nearest;
    ASSERT_TRUE(QuantizeRtn(info.scheme, kN, kK, w, &nearest).ok());
    const Outcome o = Quantize(info.scheme, w, h, 1e-6, 1);
    const double rounded = Loss(info.scheme, kN, kK, w, nearest, h), calibrated = Loss(info.scheme, kN, kK, w, o.codes, h);
    EXPECT_LT(calibrated, 0.5 * rounded) << info.name;
    EXPECT_NEAR(o.error, calibrated, 0.01 * calibrated) << info.name;   // fp32 sums, and the damping
  }
}

TEST(Gptq, ThreadsDoNotChangeABit) {
  const std::vector<float> w = Normal(kN * kK, 5);
  const std::vector<double> h = Hessian(kK, 6);
  const Outcome one = Quantize(Scheme::kI4G64, w, h, 0.01, 1), four = Quantize(Scheme::kI4G64, w, h, 0.01, 4);
  EXPECT_EQ(one.codes.codes, four.codes.codes);
  EXPECT_EQ(one.codes.scale, four.codes.scale);
  EXPECT_EQ(one.codes.zero, four.codes.zero);
  EXPECT_EQ(one.error, four.error);
}

TEST(Gptq, InputsThatNeverCameAreRoundedToNearest) {
  const std::vector<float> w = Normal(kN * kK, 8);
  const Outcome o = Quantize(Scheme::kI8G32, w, std::vector<double>(kK * kK), 0.01, 2);
  OwnedCodes nearest;
  ASSERT_TRUE(QuantizeRtn(Scheme::kI8G32, kN, kK, w, &nearest).ok());
  EXPECT_EQ(o.codes.codes, nearest.codes);
  EXPECT_EQ(o.codes.scale, nearest.scale);
}

TEST(Gptq, Refusals) {
  const auto pool = ThreadPool::Create(1);
  std::vector<float> w = Normal(kN * kK, 9);
  std::vector<double> h = Hessian(kK, 9);
  OwnedCodes codes;
  double error = 0;
  EXPECT_EQ(QuantizeGptq(Scheme::kF16, kN, kK, w, h, {}, **pool, &codes, &error).code(), Code::kUsage);
  EXPECT_EQ(QuantizeGptq(Scheme::kI8, kN, kK - 1, w, h, {}, **pool, &codes, &error).code(), Code::kUsage);
  h[0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(QuantizeGptq(Scheme::kI8, kN, kK, w, h, {}, **pool, &codes, &error).code(), Code::kBadInput);
  h = Hessian(kK, 9);
  w[kK + 3] = std::numeric_limits<float>::infinity();
  const Status status = QuantizeGptq(Scheme::kI4G64, kN, kK, w, h, {}, **pool, &codes, &error);
  EXPECT_EQ(status.code(), Code::kBadInput);
  EXPECT_NE(status.message().find("row 1, column 3"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace hasten::passes
