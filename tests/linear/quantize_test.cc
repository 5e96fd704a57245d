// Every row of quantize's and embed's tables against the scalar reference, in
// bits, and the reference against its definition.
#include "runtime/kernels/quantize/contract.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/base/fp_env.h"
#include "runtime/kernels/embed/contract.h"
#include "tests/linear/random_matrix.h"

namespace hasten {
namespace {

using testing::AlignedArray;
using testing::MakeAligned;

struct Quantized {
  AlignedArray bytes;
  size_t size = 0;
  QuantizedRows rows;
};

Quantized RunRow(const Kernel<QuantizeArgs>& kernel, QuantizeArgs args, bool residual = false) {
  const QuantizedLayout l = QuantizedRowLayout(args.cols, args.ga, residual);
  Quantized q;
  q.size = l.bytes_per_row * static_cast<size_t>(args.rows);
  q.bytes = MakeAligned(q.size);
  q.rows = args.out = QuantizedRowsAt(q.bytes.get(), args.rows, l);
  const AlignedArray scratch = MakeAligned(kernel.scratch(args));
  for (int64_t t = kernel.tiles(args); t-- > 0;) kernel.run(args, t, t + 1, scratch.get());
  return q;
}

const Kernel<QuantizeArgs>& Reference() {
  for (const auto& k : QuantizeKernels())
    if (k.isa == Isa::kScalar) return k;
  throw std::logic_error("quantize has no scalar row");
}

void CompareAll(const std::vector<float>& x, int64_t rows, int64_t cols, int64_t ga) {
  const QuantizeArgs args{.x = x.data(), .x_stride = cols, .rows = rows, .cols = cols, .ga = ga};
  for (const bool residual : {false, true}) {
    const Quantized want = RunRow(Reference(), args, residual);
    for (const auto& kernel : QuantizeKernels()) {
      if (!IsaAvailable(kernel.isa)) continue;
      const Quantized got = RunRow(kernel, args, residual);
      ASSERT_EQ(std::memcmp(got.bytes.get(), want.bytes.get(), want.size), 0)
          << kernel.name << " rows " << rows << " cols " << cols << " ga " << ga << " residual " << residual;
    }
  }
}

constexpr int64_t kCols[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 500, 576, 1537};

TEST(Quantize, EveryRowOfTheTableGivesTheSameBits) {
  ScopedFpEnv env;
  std::mt19937 rng(1);
  std::normal_distribution<float> normal;
  for (int64_t cols : kCols) {
    for (int64_t ga : {int64_t{32}, int64_t{64}, int64_t{128}, cols}) {
      std::vector<float> x(static_cast<size_t>(3 * cols));
      for (float& v : x) v = normal(rng) * std::ldexp(1.0f, static_cast<int>(rng() % 40) - 20);
      CompareAll(x, 3, cols, ga);
      // Halves of a step: ties to even, at magnitudes where x / s is exact.
      for (float& v : x) v = 0.5f * static_cast<float>(static_cast<int>(rng() % 509) - 254);
      x[0] = 127.0f;
      CompareAll(x, 3, cols, ga);
    }
  }
}

TEST(Quantize, ValuesAtTheEdgesOfTheFormat) {
  ScopedFpEnv env;
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  for (float v : {0.0f, -0.0f, 0x1p-149f, 0x1p-126f, 0x1.fffffep-101f, 0x1p-100f, 0x1.8p-100f, 1.0f, 0x1.fffffep127f, -0x1.fffffep127f, kInf, -kInf, kNan, -kNan}) {
    for (int64_t at : {0, 31, 32, 39}) {
      std::vector<float> x(40, 1.25f), alone(40, 0.0f);
      x[static_cast<size_t>(at)] = alone[static_cast<size_t>(at)] = v;
      CompareAll(x, 1, 40, 32);
      CompareAll(alone, 1, 40, 32);
    }
  }
}

TEST(Quantize, ReferenceFollowsItsDefinition) {
  ScopedFpEnv env;
  const std::vector<float> x = {254.0f, 1.0f, 3.0f, -5.0f, -254.0f, 0.0f};  // step 2: ties 0.5, 1.5, -2.5
  const QuantizeArgs args{.x = x.data(), .x_stride = 6, .rows = 1, .cols = 6, .ga = 32};
  const Quantized q = RunRow(Reference(), args);
  EXPECT_EQ(q.rows.scale[0], 2.0f);
  EXPECT_EQ(std::vector<int8_t>(q.rows.q, q.rows.q + 6), (std::vector<int8_t>{127, 0, 2, -2, -127, 0}));
  EXPECT_EQ(q.rows.sum[0], 0);
  for (int64_t i = 6; i < q.rows.q_stride; ++i) EXPECT_EQ(q.rows.q[i], 0);
  for (int64_t g = 1; g < q.rows.g_stride; ++g) EXPECT_EQ(q.rows.sum[g], 0);

  const std::vector<float> tiny(6, 0x1.fffffep-101f);
  EXPECT_EQ(RunRow(Reference(), {.x = tiny.data(), .x_stride = 6, .rows = 1, .cols = 6, .ga = 32}).rows.scale[0], 0.0f);
  std::vector<float> nan = x;
  nan[3] = std::numeric_limits<float>::quiet_NaN();
  const Quantized poisoned = RunRow(Reference(), {.x = nan.data(), .x_stride = 6, .rows = 1, .cols = 6, .ga = 32});
  EXPECT_TRUE(std::isnan(poisoned.rows.scale[0]));
  EXPECT_EQ(poisoned.rows.q[0], 0);
}

TEST(Quantize, AResidualIsWhatTheRowLeavesQuantizedTheSameWay) {
  ScopedFpEnv env;
  constexpr int64_t kRows = 3, kCols = 150;
  std::mt19937 rng(3);
  std::normal_distribution<float> normal;
  std::vector<float> x(kRows * kCols);
  for (float& v : x) v = normal(rng);
  std::fill_n(x.begin(), 40, 0.0f);
  const QuantizeArgs args{.x = x.data(), .x_stride = kCols, .rows = kRows, .cols = kCols, .ga = 32};
  const Quantized both = RunRow(Reference(), args, true), alone = RunRow(Reference(), args);
  const auto value = [](const QuantizedRows& r, int64_t row, int64_t i) { return r.scale[row * r.g_stride + i / 32] * static_cast<float>(r.q[row * r.q_stride + i]); };
  for (int64_t m = 0; m < kRows; ++m)
    for (int64_t i = 0; i < kCols; ++i) {
      const float v = x[static_cast<size_t>(m * kCols + i)];
      EXPECT_EQ(value(both.rows, 2 * m, i), value(alone.rows, m, i));   // the row itself is as without
      EXPECT_LE(std::abs(value(both.rows, 2 * m, i) + value(both.rows, 2 * m + 1, i) - v), std::abs(both.rows.scale[(2 * m + 1) * both.rows.g_stride + i / 32]) * 0.51f);
    }
}

TEST(Quantize, LayoutIsThreeArraysOfWholeLines) {
  for (int64_t cols : kCols) {
    for (int64_t ga : {int64_t{32}, cols}) {
      const QuantizedLayout l = QuantizedRowLayout(cols, ga);
      EXPECT_EQ(l.q_stride % 64, 0);
      EXPECT_GE(l.q_stride, cols);
      EXPECT_EQ(l.g_stride % 16, 0);
      EXPECT_GE(l.g_stride * ga, cols);
      EXPECT_EQ(l.bytes_per_row, static_cast<size_t>(l.q_stride + 8 * l.g_stride));
    }
  }
}

TEST(Embed, EveryRowOfTheTableUnpacksTheRow) {
  constexpr int64_t vocab = 37, cols = 70, stride = 75;
  const std::vector<int32_t> ids = {36, 0, 5, 5, 16, 15};
  for (const SchemeInfo& info : AllSchemes()) {
    std::mt19937 rng(4);
    const AlignedArray table = testing::RandomPacked(info.scheme, vocab, cols, testing::Fill::kRandom, rng);
    for (const auto& kernel : EmbedKernels()) {
      if (!IsaAvailable(kernel.isa)) continue;
      std::vector<float> out(ids.size() * stride, -7.0f), want(cols);
      const EmbedArgs args{.scheme = info.scheme, .vocab = vocab, .cols = cols, .table = table.get(), .ids = ids.data(),
                           .rows = static_cast<int64_t>(ids.size()), .out = out.data(), .out_stride = stride};
      for (int64_t t = kernel.tiles(args); t-- > 0;) kernel.run(args, t, t + 1, nullptr);
      for (size_t r = 0; r < ids.size(); ++r) {
        UnpackRow(info.scheme, vocab, cols, table.get(), ids[r], want.data());
        EXPECT_EQ(std::memcmp(want.data(), &out[r * stride], cols * 4), 0) << kernel.name << " " << info.name;
        for (int64_t i = cols; i < stride; ++i) EXPECT_EQ(out[r * stride + static_cast<size_t>(i)], -7.0f);
      }
    }
  }
}

}  // namespace
}  // namespace hasten
