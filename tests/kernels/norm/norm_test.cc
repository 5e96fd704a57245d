// norm: every row against the scalar row in bits around segment and vector
// edges, and the scalar row against double.
#include "runtime/kernels/norm/contract.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::SameBits;

struct Case {
  NormKind kind;
  int64_t rows, groups, cols;
  bool w, b, in_place;
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (NormKind kind : {NormKind::kRms, NormKind::kLayer})
    for (int64_t cols : {1, 2, 15, 16, 17, 31, 64, 511, 512, 513, 576, 1023, 1024, 1025, 1536, 2560, 4099})
      for (int64_t rows : {1, 2, 9})
        for (int64_t groups : {1, 3}) {
          cases.push_back({kind, rows, groups, cols, true, false, false});
          cases.push_back({kind, rows, groups, cols, true, true, true});
          if (rows == 1) cases.push_back({kind, rows, groups, cols, false, false, true});
          if (rows == 1) cases.push_back({kind, rows, groups, cols, false, true, false});
        }
  return cases;
}

TEST(Norm, RowsAgreeInBitsAndWithDouble) {
  for (const Case& c : Cases()) {
    testing::Rng rng(static_cast<uint64_t>(c.cols));
    const int64_t width = c.groups * c.cols, stride = width + 5;
    std::vector<float> x = rng.Normals(static_cast<size_t>(c.rows * stride), 2.0f);
    for (float& v : x) v += 0.7f;
    const std::vector<float> w = rng.Normals(static_cast<size_t>(c.cols)), b = rng.Normals(static_cast<size_t>(c.cols));
    std::vector<float> want = x;
    NormArgs a{c.kind, x.data(), c.w ? w.data() : nullptr, c.b ? b.data() : nullptr, want.data(), stride, stride, c.rows, c.groups, c.cols, 1e-5f};
    if (c.in_place) a.x = want.data();
    testing::RunShuffled(testing::ScalarRow(NormKernels(), a), a, 1);
    testing::ForEachFastRow(NormKernels(), a, [&](const Kernel<NormArgs>& k) {
      std::vector<float> got = x;
      a.out = got.data();
      a.x = c.in_place ? got.data() : x.data();
      testing::RunShuffled(k, a, 2);
      EXPECT_TRUE(SameBits(want, got)) << k.name << " cols " << c.cols << " rows " << c.rows << " groups " << c.groups;
    });
    for (int64_t r = 0; r < c.rows; ++r)
      for (int64_t g = 0; g < c.groups; ++g) {
        const float* v = x.data() + r * stride + g * c.cols;
        double mean = 0, square = 0;
        for (int64_t i = 0; i < c.cols; ++i) mean += v[i];
        mean = c.kind == NormKind::kLayer ? mean / static_cast<double>(c.cols) : 0;
        for (int64_t i = 0; i < c.cols; ++i) square += (v[i] - mean) * (v[i] - mean);
        const double inverse = 1 / std::sqrt(square / static_cast<double>(c.cols) + 1e-5f);
        for (int64_t i = 0; i < c.cols; ++i) {
          const size_t at = static_cast<size_t>(i);
          const double y = (v[i] - mean) * inverse * (c.w ? w[at] : 1) + (c.b ? b[at] : 0);
          // The mean's rounding is magnified by `inverse` when the values barely differ.
          ASSERT_NEAR(want[static_cast<size_t>(r * stride + g * c.cols + i)], y, 2e-6 * (std::fabs(y) + 1) + 4e-7 * inverse);
        }
      }
  }
}

// A change of the summation order would change these bits: the order is a
// specification. x = 2^24 then ones: plain summation loses every one.
TEST(Norm, SumsInStridedLanes) {
  std::vector<float> x(33, 1.0f), out(33);
  x[0] = 0x1p12f;  // squared: 2^24
  NormArgs a{NormKind::kRms, x.data(), nullptr, nullptr, out.data(), 33, 33, 1, 1, 33, 0};
  testing::RunShuffled(testing::ScalarRow(NormKernels(), a), a, 1);
  // Lane 0 holds 2^24 + 1 + 1, each lost; the other lanes hold 2 each; in the
  // tree lane 0 meets 2 (lane 8), then 4, 8 and 16.
  const float sum = 0x1p24f + 2 + 4 + 8 + 16;
  EXPECT_EQ(out[1], 1.0f / std::sqrt(sum / 33.0f));
}

TEST(Norm, NotANumberStaysInItsRow) {
  std::vector<float> x(3 * 20, 1.0f), out(60);
  x[20] = NAN;
  NormArgs a{NormKind::kLayer, x.data(), nullptr, nullptr, out.data(), 20, 20, 3, 1, 20, 1e-5f};
  testing::RunShuffled(*SelectKernel(NormKernels(), a, BestIsa()), a, 1);
  EXPECT_EQ(out[0], 0.0f);
  EXPECT_TRUE(std::isnan(out[25]));
  EXPECT_EQ(out[59], 0.0f);
}

}  // namespace
}  // namespace hasten
