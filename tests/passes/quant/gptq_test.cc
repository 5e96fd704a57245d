// GPTQ: a lower loss than rounding, the loss it reports, threads, dead inputs, refusals.
#include "passes/quant/gptq.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "passes/quant/cholesky.h"
#include "tests/passes/quant/loss.h"

namespace hasten::passes {
namespace {

constexpr int64_t kN = 19, kK = 150;   // no multiples of the tile of rows or of a group

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
