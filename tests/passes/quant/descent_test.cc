// Coordinate descent: a lower loss, codes that the scheme has, a fixed point at the
// optimum, threads, refusals.
#include "passes/quant/descent.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "passes/quant/gptq.h"
#include "tests/passes/quant/loss.h"

namespace hasten::passes {
namespace {

constexpr int64_t kN = 19, kK = 150;   // no multiples of the tile of rows or of a group

OwnedCodes Gptq(Scheme scheme, const std::vector<float>& w, std::vector<double> h) {
  OwnedCodes codes;
  double error = 0;
  EXPECT_TRUE(QuantizeGptq(scheme, kN, kK, w, h, {}, **ThreadPool::Create(1), &codes, &error).ok());
  return codes;
}

TEST(Descent, LowersTheLossOfRoundingAndOfGptq) {
  const std::vector<float> w = Normal(kN * kK, 1);
  const std::vector<double> h = Hessian(kK, 2);
  for (const SchemeInfo& info : AllSchemes()) {
    if (!info.integer) continue;
    OwnedCodes nearest;
    ASSERT_TRUE(QuantizeRtn(info.scheme, kN, kK, w, &nearest).ok());
    for (OwnedCodes codes : {nearest, Gptq(info.scheme, w, h)}) {
      const double before = Loss(info.scheme, kN, kK, w, codes, h);
      ASSERT_TRUE(Descend(info.scheme, kN, kK, w, h, {1e-6, 2}, **ThreadPool::Create(2), &codes).ok());
      EXPECT_LT(Loss(info.scheme, kN, kK, w, codes, h), before) << info.name;
      for (const int8_t c : codes.codes) {
        EXPECT_GE(c, info.bits == 4 ? 0 : -127) << info.name;
        EXPECT_LE(c, info.bits == 4 ? 15 : 127) << info.name;
      }
    }
  }
}

TEST(Descent, LeavesWeightsThatTheCodesStandFor) {
  const std::vector<double> h = Hessian(kK, 3);
  OwnedCodes codes;
  ASSERT_TRUE(QuantizeRtn(Scheme::kI4G64, kN, kK, Normal(kN * kK, 4), &codes).ok());
  const std::vector<float> w = Decode(Scheme::kI4G64, kN, kK, codes);
  const OwnedCodes before = codes;
  ASSERT_TRUE(Descend(Scheme::kI4G64, kN, kK, w, h, {0.01, 3}, **ThreadPool::Create(1), &codes).ok());
  EXPECT_EQ(codes.codes, before.codes);
}

TEST(Descent, LeavesTheDistanceToEachWeightsOptimum) {
  const std::vector<float> w = Normal(kN * kK, 7);
  std::vector<double> h(kK * kK, 0.0);   // inputs that do not go together: the optimum is the weight itself
  for (int64_t i = 0; i < kK; ++i) h[static_cast<size_t>(i * kK + i)] = 1 + static_cast<double>(i % 3);
  OwnedCodes codes;
  ASSERT_TRUE(QuantizeRtn(Scheme::kI4G64, kN, kK, w, &codes).ok());
  ASSERT_TRUE(Descend(Scheme::kI4G64, kN, kK, w, h, {0.01, 2, true}, **ThreadPool::Create(2), &codes).ok());
  ASSERT_EQ(codes.fraction.size(), w.size());
  const std::vector<float> rounded = Decode(Scheme::kI4G64, kN, kK, codes);
  for (size_t i = 0; i < w.size(); ++i) {
    const size_t at = i / kK * 3 + i % kK / 64;   // three groups of 64, 64 and 22
    const float wanted = std::clamp((w[i] - rounded[i]) / codes.scale[at], -0.5f, 0.5f);
    EXPECT_NEAR(static_cast<float>(codes.fraction[i]) * 0x1p-15f, wanted, 1e-4f) << i;
  }
}

TEST(Descent, ThreadsDoNotChangeABit) {
  const std::vector<float> w = Normal(kN * kK, 5);
  const std::vector<double> h = Hessian(kK, 6);
  OwnedCodes one = Gptq(Scheme::kI4G32, w, h), four = one;
  ASSERT_TRUE(Descend(Scheme::kI4G32, kN, kK, w, h, {}, **ThreadPool::Create(1), &one).ok());
  ASSERT_TRUE(Descend(Scheme::kI4G32, kN, kK, w, h, {}, **ThreadPool::Create(4), &four).ok());
  EXPECT_EQ(one.codes, four.codes);
}

TEST(Descent, InputsThatNeverCameChangeNothing) {
  const std::vector<float> w = Normal(kN * kK, 8);
  OwnedCodes codes;
  ASSERT_TRUE(QuantizeRtn(Scheme::kI8G32, kN, kK, w, &codes).ok());
  const OwnedCodes before = codes;
  ASSERT_TRUE(Descend(Scheme::kI8G32, kN, kK, w, std::vector<double>(kK * kK), {}, **ThreadPool::Create(2), &codes).ok());
  EXPECT_EQ(codes.codes, before.codes);
  EXPECT_EQ(Descend(Scheme::kI8G32, kN, kK - 1, w, std::vector<double>(kK * kK), {}, **ThreadPool::Create(1), &codes).code(), Code::kUsage);
}

}  // namespace
}  // namespace hasten::passes
