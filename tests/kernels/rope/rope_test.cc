// rope: the table against double, every row against the scalar row in bits.
#include "runtime/kernels/rope/contract.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/kernels/test_util.h"

namespace hasten {
namespace {

using testing::SameBits;

TEST(Rope, TableIsCosineAndSineRoundedOnce) {
  std::vector<float> freq;
  for (int i = 0; i < 32; ++i) freq.push_back(static_cast<float>(std::pow(10000.0, -i / 32.0)));
  const int64_t positions = 5000;
  std::vector<float> table(static_cast<size_t>(positions) * 64);
  BuildRopeTable(freq, 1.0f, positions, table);
  for (int64_t p = 0; p < positions; ++p)
    for (size_t i = 0; i < 32; ++i) {
      const double angle = static_cast<double>(p) * static_cast<double>(freq[i]);
      // Half a unit of the last place: rounded once from nearly exact values.
      ASSERT_NEAR(table[static_cast<size_t>(p) * 64 + 2 * i], std::cos(angle), 3.0e-8 * std::max(0.5, std::fabs(std::cos(angle)) * 2));
      ASSERT_NEAR(table[static_cast<size_t>(p) * 64 + 2 * i + 1], std::sin(angle), 3.0e-8 * std::max(0.5, std::fabs(std::sin(angle)) * 2));
    }
}

TEST(Rope, ScaleMultipliesTheRoundedTable) {
  const float freq[] = {0.37f};
  std::vector<float> plain(20), scaled(20);
  BuildRopeTable(freq, 1.0f, 10, plain);
  BuildRopeTable(freq, 1.19f, 10, scaled);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(scaled[i], plain[i] * 1.19f);
}

TEST(Rope, RowsAgreeInBits) {
  testing::Rng rng(1);
  for (bool interleaved : {false, true})
    for (int64_t head_dim : {2, 8, 16, 32, 40, 64, 80, 96, 128, 6})
      for (int64_t rotary : {head_dim, head_dim / 2 / 2 * 2, int64_t{2}})
        for (int64_t rows : {1, 2, 9})
          for (int64_t heads : {1, 3}) {
            if (rotary == 0) continue;
            const int64_t positions = 50, stride = heads * head_dim + 4;
            std::vector<float> table(static_cast<size_t>(positions * rotary));
            std::vector<float> freq;
            for (int64_t i = 0; i < rotary / 2; ++i) freq.push_back(1.0f / static_cast<float>(i + 1));
            BuildRopeTable(freq, 1.0f, positions, table);
            const std::vector<float> x = rng.Normals(static_cast<size_t>(rows * stride));
            std::vector<int32_t> at;
            for (int64_t r = 0; r < rows; ++r) at.push_back(static_cast<int32_t>(rng.Below(positions)));
            std::vector<float> want = x;
            RopeArgs a{x.data(), want.data(), stride, stride, rows, heads, head_dim, rotary, interleaved, table.data(), at.data()};
            testing::RunShuffled(testing::ScalarRow(RopeKernels(), a), a, 1);
            testing::ForEachFastRow(RopeKernels(), a, [&](const Kernel<RopeArgs>& k) {
              std::vector<float> got = x;
              a.x = a.out = got.data();
              testing::RunShuffled(k, a, 2);
              EXPECT_TRUE(SameBits(want, got)) << k.name << " head_dim " << head_dim << " rotary " << rotary << " rows " << rows << (interleaved ? " interleaved" : "");
            });
            // The definition, pair by pair.
            for (int64_t r = 0; r < rows; ++r)
              for (int64_t i = 0; i < rotary / 2; ++i) {
                const float* v = x.data() + r * stride;
                const int64_t i0 = interleaved ? 2 * i : i, i1 = interleaved ? 2 * i + 1 : i + rotary / 2;
                const float* cs = table.data() + at[static_cast<size_t>(r)] * rotary + 2 * i;
                ASSERT_EQ(want[static_cast<size_t>(r * stride + i0)], std::fma(v[i0], cs[0], -(v[i1] * cs[1])));
                ASSERT_EQ(want[static_cast<size_t>(r * stride + i1)], std::fma(v[i1], cs[0], v[i0] * cs[1]));
              }
          }
}

}  // namespace
}  // namespace hasten
