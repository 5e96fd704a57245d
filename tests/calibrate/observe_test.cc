// What calibration sees is what the runtime computes with: activations rounded as its
// kernel rounds them, and the sum of x x' over every token of every sample.
#include "calib/calibrate/observe.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "runtime/kernels/quantize/contract.h"

namespace hasten::calib {
namespace {

std::vector<float> Normal(int64_t count, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> v(static_cast<size_t>(count));
  for (float& x : v) x = normal(rng);
  return v;
}

// scale * q of the runtime's scalar reference.
std::vector<float> ByKernel(const std::vector<float>& x, int64_t rows, int64_t k, int64_t group, bool residual) {
  const QuantizedLayout layout = QuantizedRowLayout(k, group, residual);
  std::vector<int8_t> q(static_cast<size_t>(rows * layout.parts * layout.q_stride));
  std::vector<float> scale(static_cast<size_t>(rows * layout.parts * layout.g_stride)), out;
  std::vector<int32_t> sum(scale.size());
  const QuantizeArgs args{x.data(), k, rows, k, group, {q.data(), scale.data(), sum.data(), layout.q_stride, layout.g_stride, layout.parts}};
  const Kernel<QuantizeArgs>* kernel = SelectKernel(QuantizeKernels(), args, Isa::kScalar);
  std::vector<float> scratch(kernel->scratch(args) / sizeof(float));
  kernel->run(args, 0, kernel->tiles(args), reinterpret_cast<std::byte*>(scratch.data()));
  const auto value = [&](int64_t row, int64_t i) {
    return scale[static_cast<size_t>(row * layout.g_stride + i / group)] * static_cast<float>(q[static_cast<size_t>(row * layout.q_stride + i)]);
  };
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < k; ++i)
      out.push_back(residual ? value(2 * r, i) + value(2 * r + 1, i) : value(r, i));
  return out;
}

TEST(Observe, ActivationsAreRoundedAsTheRuntimeDoes) {
  constexpr int64_t kRows = 3, kK = 150;   // a short last group
  for (const int64_t group : {32, 64, 128})
    for (const bool residual : {false, true}) {
      std::vector<float> x = Normal(kRows * kK, 1);
      std::fill_n(x.begin(), 40, 0.0f);
      x[200] = 1e20f, x[300] = 0x1p-110f;
      const std::vector<float> wanted = ByKernel(x, kRows, kK, group, residual);
      ASSERT_TRUE(RoundActivations(kRows, kK, group, x.data(), residual));
      EXPECT_EQ(x, wanted) << group;
    }
}

TEST(Observe, ValuesThatAreNotFiniteAreSeen) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> x = Normal(2 * 70, 2);
    x[139] = bad;
    EXPECT_FALSE(RoundActivations(2, 70, 64, x.data()));
  }
}

TEST(Observe, TheHessianIsTheSumOverEverySample) {
  constexpr int64_t kRows = 11, kK = 203;   // more than two tiles, the last one short
  const std::vector<std::vector<float>> samples = {Normal(kRows * kK, 3), Normal(kRows * kK, 4), Normal(kRows * kK, 5)};
  std::vector<double> one(kK * kK), three(kK * kK);
  AddHessian(samples, kK, **ThreadPool::Create(1), &one);
  AddHessian(samples, kK, **ThreadPool::Create(3), &three);
  EXPECT_EQ(one, three);   // to the last bit
  for (int64_t r = 0; r < kK; ++r)
    for (int64_t c = 0; c < kK; ++c) {
      double sum = 0;
      for (const std::vector<float>& x : samples)
        for (int64_t t = 0; t < kRows; ++t) sum += double{x[static_cast<size_t>(t * kK + r)]} * double{x[static_cast<size_t>(t * kK + c)]};
      ASSERT_NEAR(one[static_cast<size_t>(r * kK + c)], sum, 1e-4) << r << ", " << c;   // fp32 sums of 11 products
    }
}

TEST(Observe, CrossSumsAddUpBatchByBatch) {
  constexpr int64_t kRows = 7, kN = 101, kK = 130;
  const std::vector<std::vector<float>> a = {Normal(kRows * kN, 6), Normal(kRows * kN, 7)}, b = {Normal(kRows * kK, 8), Normal(kRows * kK, 9)};
  std::vector<double> whole(kN * kK), parts(kN * kK);
  AddCross(a, kN, b, kK, **ThreadPool::Create(2), &whole);
  for (size_t i = 0; i < a.size(); ++i) AddCross({&a[i], 1}, kN, {&b[i], 1}, kK, **ThreadPool::Create(3), &parts);
  EXPECT_EQ(whole, parts);
  for (int64_t r = 0; r < kN; ++r)
    for (int64_t c = 0; c < kK; ++c) {
      double sum = 0;
      for (size_t s = 0; s < a.size(); ++s)
        for (int64_t t = 0; t < kRows; ++t) sum += double{a[s][static_cast<size_t>(t * kN + r)]} * double{b[s][static_cast<size_t>(t * kK + c)]};
      ASSERT_NEAR(whole[static_cast<size_t>(r * kK + c)], sum, 1e-4) << r << ", " << c;   // fp32 sums of 7 products
    }
}

}  // namespace
}  // namespace hasten::calib
