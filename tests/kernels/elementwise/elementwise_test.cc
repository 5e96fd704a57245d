// unary, binary and gated: every row against the scalar row in bits, at sizes
// around every vector and tile edge, in place and with strides.
#include "runtime/kernels/elementwise/contract.h"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::SameBits;

constexpr int64_t kRows[] = {1, 2, 3, 7, 9, 65};
constexpr int64_t kCols[] = {1, 7, 8, 9, 15, 16, 17, 63, 511, 512, 513, 1025, 4096, 4097};

std::vector<float> Values(size_t n, uint64_t seed) {
  testing::Rng rng(seed);
  std::vector<float> v = rng.Normals(n, 3.0f);
  const float special[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 0x1p-149f, 1e38f, -1e38f, -104.5f, 89.5f};
  for (size_t i = 0; i < n; i += 11) v[i] = special[i / 11 % std::size(special)];
  return v;
}

TEST(Elementwise, UnaryRowsAgreeInBits) {
  for (int op = 0; op <= static_cast<int>(Unary::kSin); ++op)
    for (int64_t rows : kRows)
      for (int64_t cols : kCols) {
        if (rows * cols > 20000 && op > 3) continue;
        const int64_t stride = cols + 3;
        const std::vector<float> x = Values(static_cast<size_t>(rows * stride), static_cast<uint64_t>(cols));
        std::vector<float> want = x, got;
        UnaryArgs a{static_cast<Unary>(op), x.data(), want.data(), stride, stride, rows, cols};
        testing::RunShuffled(testing::ScalarRow(UnaryKernels(), a), a, 1);
        testing::ForEachFastRow(UnaryKernels(), a, [&](const Kernel<UnaryArgs>& k) {
          got = x;
          a.x = a.out = got.data();  // in place; the columns between rows must stay
          testing::RunShuffled(k, a, 2);
          EXPECT_TRUE(SameBits(want, got)) << k.name << " op " << op << " " << rows << "x" << cols;
        });
      }
}

TEST(Elementwise, BinaryRowsAgreeInBits) {
  for (int op = 0; op <= static_cast<int>(Binary::kPow); ++op)
    for (Operand kind : {Operand::kRows, Operand::kVector, Operand::kScalar})
      for (bool swapped : {false, true})
        for (int64_t rows : {1, 3})
          for (int64_t cols : kCols) {
            const int64_t stride = cols + 1;
            const std::vector<float> x = Values(static_cast<size_t>(rows * stride), 5);
            const std::vector<float> y = Values(static_cast<size_t>(rows * stride), 6);
            std::vector<float> want = x, got;
            BinaryArgs a{static_cast<Binary>(op), kind, swapped, x.data(), y.data(), 1.75f, want.data(), stride, stride, stride, rows, cols};
            testing::RunShuffled(testing::ScalarRow(BinaryKernels(), a), a, 1);
            testing::ForEachFastRow(BinaryKernels(), a, [&](const Kernel<BinaryArgs>& k) {
              got = x;
              a.a = a.out = got.data();
              testing::RunShuffled(k, a, 2);
              EXPECT_TRUE(SameBits(want, got)) << k.name << " op " << op << " " << rows << "x" << cols;
            });
          }
}

TEST(Elementwise, BinaryComputesWhatItsNameSays) {
  const float x[] = {6, -2}, y[] = {4, 8};
  const std::vector<std::array<float, 2>> want = {{10, 6}, {2, -10}, {24, -16}, {1.5f, -0.25f}, {6, 8}, {4, -2}, {1296, 256}};
  const std::vector<std::array<float, 2>> swapped = {{10, 6}, {-2, 10}, {24, -16}, {4 / 6.0f, -4}, {6, 8}, {4, -2}, {4096, 1 / 64.0f}};
  for (int op = 0; op <= static_cast<int>(Binary::kPow); ++op)
    for (bool swap : {false, true}) {
      float out[2];
      BinaryArgs a{static_cast<Binary>(op), Operand::kRows, swap, x, y, 0, out, 2, 2, 2, 1, 2};
      testing::RunShuffled(testing::ScalarRow(BinaryKernels(), a), a, 1);
      const auto& w = swap ? swapped[static_cast<size_t>(op)] : want[static_cast<size_t>(op)];
      EXPECT_EQ(out[0], w[0]) << op << swap;
      EXPECT_EQ(out[1], w[1]) << op << swap;
    }
}

TEST(Elementwise, GatedRowsAgreeInBits) {
  for (Unary act : {Unary::kSilu, Unary::kGelu, Unary::kGeluTanh, Unary::kRelu, Unary::kRelu2, Unary::kQuickGelu, Unary::kIdentity})
    for (int64_t rows : {1, 2, 9})
      for (int64_t cols : kCols) {
        // Gate and up side by side, as a fused linear leaves them.
        const int64_t stride = 2 * cols;
        const std::vector<float> x = Values(static_cast<size_t>(rows * stride), 7);
        std::vector<float> want(static_cast<size_t>(rows * cols)), got;
        GatedArgs a{act, x.data(), x.data() + cols, want.data(), stride, stride, cols, rows, cols};
        testing::RunShuffled(testing::ScalarRow(GatedKernels(), a), a, 1);
        testing::ForEachFastRow(GatedKernels(), a, [&](const Kernel<GatedArgs>& k) {
          got.assign(want.size(), 0);
          a.out = got.data();
          testing::RunShuffled(k, a, 2);
          EXPECT_TRUE(SameBits(want, got)) << k.name << " " << rows << "x" << cols;
        });
      }
}

// Each activation against its formula in double; tolerances are a few fp32
// roundings of the largest intermediate.
TEST(Elementwise, ActivationsMatchTheirFormulas) {
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  for (float x = -12; x <= 12; x += 0.037f) {
    const double v = x;
    const std::vector<std::pair<Unary, double>> want = {
        {Unary::kSilu, v * sigmoid(v)},
        {Unary::kGelu, 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)))},
        {Unary::kGeluTanh, 0.5 * v * (1 + std::tanh(std::sqrt(2 / 3.14159265358979) * (v + 0.044715 * v * v * v)))},
        {Unary::kQuickGelu, v * sigmoid(1.702 * v)},
        {Unary::kRelu2, v > 0 ? v * v : 0},
        {Unary::kRelu, v > 0 ? v : 0},
        {Unary::kSquare, v * v},
        {Unary::kNeg, -v},
        {Unary::kAbs, std::fabs(v)},
        {Unary::kReciprocal, 1 / v},
        {Unary::kSoftplus, std::log1p(std::exp(v))},
    };
    for (const auto& [op, y] : want) {
      float out;
      UnaryArgs a{op, &x, &out, 1, 1, 1, 1};
      testing::RunShuffled(testing::ScalarRow(UnaryKernels(), a), a, 1);
      EXPECT_NEAR(out, y, 4e-7 * std::max(1.0, std::fabs(v)) * std::max(1.0, std::fabs(y))) << static_cast<int>(op) << " of " << x;
    }
  }
}

}  // namespace
}  // namespace hasten
