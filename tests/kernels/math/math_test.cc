// exp, log, tanh, ...: every row of the unary table gives the scalar row's bits
// on a dense sweep over all floats, and the scalar row is accurate against
// double. Stride 1021 is prime: every exponent and all kinds of mantissas.
#include "runtime/kernels/math.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/trig.h"
#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::SameBits;

constexpr uint32_t kStride = 1021;

std::vector<float> Sweep() {
  std::vector<float> v = {0.0f, -0.0f, kInf, -kInf, kNaN, -kNaN, 0x1p-149f, -0x1p-149f, 0x1.fffffep127f};
  for (uint64_t u = 0; u < uint64_t{1} << 32; u += kStride) v.push_back(std::bit_cast<float>(static_cast<uint32_t>(u)));
  return v;
}

TEST(Math, EveryRowGivesTheScalarBits) {
  const std::vector<float> x = Sweep();
  std::vector<float> want(x.size()), got(x.size());
  for (int op = 0; op <= static_cast<int>(Unary::kSin); ++op) {
    UnaryArgs a{static_cast<Unary>(op), x.data(), want.data(), 0, 0, 1, static_cast<int64_t>(x.size())};
    testing::RunShuffled(testing::ScalarRow(UnaryKernels(), a), a, 1);
    testing::ForEachFastRow(UnaryKernels(), a, [&](const Kernel<UnaryArgs>& k) {
      a.out = got.data();
      testing::RunShuffled(k, a, 2);
      EXPECT_TRUE(SameBits(want, got)) << k.name << " op " << op;
    });
  }
}

// The largest error in units of the last place of the double result's float.
template <class F, class D>
double MaxUlp(F f, D exact, float lo, float hi) {
  double worst = 0;
  for (uint64_t u = 0; u < uint64_t{1} << 32; u += kStride) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(u));
    if (!(x >= lo && x <= hi)) continue;
    const double want = exact(static_cast<double>(x));
    const float rounded = static_cast<float>(want);
    if (!std::isfinite(rounded)) {
      EXPECT_EQ(f(x), rounded) << x;
      continue;
    }
    const double ulp = std::max(std::ldexp(1.0, std::ilogb(rounded == 0 ? 0x1p-126f : rounded) - 23), 0x1p-149);
    worst = std::max(worst, std::fabs(static_cast<double>(f(x)) - want) / ulp);
  }
  return worst;
}

TEST(Math, IsAccurate) {
  const auto exp = [](double x) { return std::exp(x); };
  EXPECT_LE(MaxUlp([](float x) { return Exp(x); }, exp, -88.0f, 89.0f), 1.0);
  EXPECT_LE(MaxUlp([](float x) { return Exp(x); }, exp, -110.0f, -88.0f), 1.0);
  EXPECT_LE(MaxUlp([](float x) { return Log(x); }, [](double x) { return std::log(x); }, 0.0f, 0x1.fffffep127f), 1.5);
  EXPECT_LE(MaxUlp([](float x) { return Tanh(x); }, [](double x) { return std::tanh(x); }, -20.0f, 20.0f), 2.0);
  EXPECT_LE(MaxUlp([](float x) { return Sigmoid(x); }, [](double x) { return 1 / (1 + std::exp(-x)); }, -87.0f, 88.0f), 2.5);
  EXPECT_LE(MaxUlp([](float x) { return Erf(x); }, [](double x) { return std::erf(x); }, -6.0f, 6.0f), 2.5);
  EXPECT_LE(MaxUlp([](float x) { return Softplus(x); },
                   [](double x) { return std::log1p(std::exp(x)); }, -87.0f, 100.0f), 2.5);
  EXPECT_LE(MaxUlp([](float x) { return Sin(x); }, [](double x) { return std::sin(x); }, -1e30f, 1e30f), 0.51);
  EXPECT_LE(MaxUlp([](float x) { return Cos(x); }, [](double x) { return std::cos(x); }, -1e30f, 1e30f), 0.51);
}

// What the INT8 attention weighs keys with: 2^x to 3e-6, exact at whole numbers, and
// never below 2^-126.
TEST(Math, Exp2CoarseIsNearAndExactAtWholeNumbers) {
  for (float x = -125.0f; x <= 1.0f; x += 0x1p-9f) {
    const double want = std::exp2(static_cast<double>(x));
    ASSERT_NEAR(static_cast<double>(Exp2Coarse(x)) / want, 1.0, 3e-6) << x;
    if (x == std::rint(x)) {
      ASSERT_EQ(Exp2Coarse(x), static_cast<float>(want)) << x;
    }
  }
  EXPECT_EQ(Exp2Coarse(-kInf), 0x1p-126f);
  EXPECT_EQ(Exp2Coarse(-1e30f), 0x1p-126f);
  EXPECT_TRUE(std::isnan(Exp2Coarse(kNaN)));
}

TEST(Math, PowerOfTwoIsExactAndEndsAtZero) {
  for (int n = 0; n >= -126; --n) ASSERT_EQ(PowerOfTwo(static_cast<float>(n)), std::ldexp(1.0f, n)) << n;
  for (float n : {-127.0f, -1e9f, -1e30f, -kInf, kNaN}) EXPECT_EQ(PowerOfTwo(n), 0.0f) << n;
}

TEST(Math, SpecialValues) {
  EXPECT_EQ(Exp(0.0f), 1.0f);  // rescaling a softmax by exp(0) must change nothing
  EXPECT_EQ(Exp(-kInf), 0.0f);
  EXPECT_EQ(Exp(kInf), kInf);
  EXPECT_TRUE(std::isnan(Exp(kNaN)));
  EXPECT_EQ(Log(0.0f), -kInf);
  EXPECT_EQ(Log(-0.0f), -kInf);
  EXPECT_EQ(Log(1.0f), 0.0f);
  EXPECT_EQ(Log(kInf), kInf);
  EXPECT_TRUE(std::isnan(Log(-1.0f)));
  EXPECT_TRUE(std::isnan(Log(kNaN)));
  EXPECT_EQ(Tanh(kInf), 1.0f);
  EXPECT_EQ(Tanh(-kInf), -1.0f);
  EXPECT_TRUE(std::signbit(Tanh(-0.0f)));
  EXPECT_TRUE(std::isnan(Tanh(kNaN)));
  EXPECT_EQ(Erf(kInf), 1.0f);
  EXPECT_EQ(Erf(-kInf), -1.0f);
  EXPECT_TRUE(std::isnan(Erf(kNaN)));
  EXPECT_EQ(Sigmoid(-kInf), 0.0f);
  EXPECT_EQ(Sigmoid(kInf), 1.0f);
  EXPECT_EQ(Softplus(kInf), kInf);
  EXPECT_EQ(Softplus(-kInf), 0.0f);
  EXPECT_TRUE(std::isnan(Sin(kInf)));
  EXPECT_TRUE(std::signbit(Sin(-0.0f)));
  EXPECT_TRUE(std::isnan(MaxNaN(kNaN, 1.0f)) && std::isnan(MaxNaN(1.0f, kNaN)));
  EXPECT_TRUE(std::isnan(MinNaN(kNaN, 1.0f)) && std::isnan(MinNaN(1.0f, kNaN)));
}

// Angles as rope makes them: exact products far beyond fp32's own range.
TEST(Math, SinCosReducesLargeAnglesExactly) {
  testing::Rng rng(3);
  for (int i = 0; i < 200000; ++i) {
    const double x = static_cast<double>(rng.Below(1 << 28)) * static_cast<double>(std::ldexp(static_cast<float>(rng.Uniform()), -static_cast<int>(rng.Below(20))));
    double s, c;
    SinCos(x, &s, &c);
    ASSERT_NEAR(s, std::sin(x), 4e-16) << x;
    ASSERT_NEAR(c, std::cos(x), 4e-16) << x;
  }
  // Close to multiples of pi/2, where digits cancel.
  for (int k = 1; k < 100000; k += 7) {
    const double x = k * (std::numbers::pi / 2);
    double s, c;
    SinCos(x, &s, &c);
    ASSERT_NEAR(s, std::sin(x), 4e-16 * std::fabs(std::sin(x))) << x;
    ASSERT_NEAR(c, std::cos(x), 4e-16 * std::fabs(std::cos(x))) << x;
  }
}

TEST(Math, PowAgreesWithLibmAndC99) {
  testing::Rng rng(4);
  for (int i = 0; i < 300000; ++i) {
    const float x = std::ldexp(static_cast<float>(rng.Uniform()), static_cast<int>(rng.Below(100)) - 50) * (i % 3 ? 1.0f : -1.0f);
    const float y = i % 2 ? static_cast<float>(rng.Below(21) - 10) : static_cast<float>(rng.Uniform() * 8 - 4);
    const double want = std::pow(static_cast<double>(x), static_cast<double>(y));
    const float rounded = static_cast<float>(want);
    if (std::isnan(rounded) || std::isinf(rounded)) {
      ASSERT_TRUE(SameBits(Pow(x, y), rounded)) << x << " ^ " << y;
    } else {
      ASSERT_NEAR(Pow(x, y), want, std::fabs(want) * 0x1p-23 + 0x1p-149) << x << " ^ " << y;
    }
  }
  const float special[] = {0.0f, -0.0f, 1.0f, -1.0f, 2.0f, -2.0f, 3.0f, -3.0f, 0.5f, -0.5f, kInf, -kInf, kNaN, 0x1p24f, 0x1p25f, -0x1.fffffep23f};
  for (float x : special)
    for (float y : special) EXPECT_TRUE(SameBits(Pow(x, y), std::pow(x, y))) << x << " ^ " << y << " = " << Pow(x, y);
}

}  // namespace
}  // namespace hasten
