// Packing and unpacking in every scheme: round trips, sizes, refusals.
#include "runtime/quant/scheme.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "runtime/quant/layout.h"

namespace hasten {
namespace {

struct Matrix {
  std::vector<int8_t> codes;
  std::vector<float> scale;
  std::vector<uint8_t> zero;
  Codes View() const { return {codes, scale, zero}; }
};

Matrix RandomCodes(Scheme scheme, int64_t n, int64_t k, uint32_t seed) {
  std::mt19937 rng(seed);
  const SchemeInfo& info = GetScheme(scheme);
  const unsigned codes = static_cast<unsigned>(info.max_code) + 1;
  const PackedLayout l = LayoutOf(scheme, n, k);
  Matrix m;
  m.codes.resize(static_cast<size_t>(n * k));
  m.scale.resize(static_cast<size_t>(n * l.groups));
  m.zero.resize(info.zero_point ? m.scale.size() : 0);
  for (int8_t& c : m.codes) c = static_cast<int8_t>(info.zero_point ? static_cast<int>(rng() % codes) : static_cast<int>(rng() % 255) - 127);
  for (float& s : m.scale) s = RoundScale(scheme, static_cast<float>(rng() % 1000) * 1e-4f);
  for (uint8_t& z : m.zero) z = static_cast<uint8_t>(rng() % codes);
  return m;
}

bool IsInteger(Scheme s) { return GetScheme(s).integer; }

constexpr int64_t kRows[] = {1, 15, 16, 17, 33};
constexpr int64_t kCols[] = {1, 3, 4, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200, 576};

TEST(Scheme, NamesParseBackAndUnknownOnesListTheKnown) {
  for (const SchemeInfo& info : AllSchemes()) {
    const Result<Scheme> parsed = ParseScheme(info.name);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, info.scheme);
    EXPECT_TRUE(IsValidScheme(static_cast<uint8_t>(info.scheme)));
  }
  EXPECT_FALSE(IsValidScheme(static_cast<uint8_t>(AllSchemes().size())));
  const Result<Scheme> bad = ParseScheme("int4:48");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().code(), Code::kUsage);
  EXPECT_NE(bad.status().message().find("int4:64"), std::string::npos);
}

TEST(Scheme, CodesComeBackAsTheyWentIn) {
  for (const SchemeInfo& info : AllSchemes()) {
    if (!info.integer) continue;
    for (int64_t n : kRows) {
      for (int64_t k : kCols) {
        const Matrix m = RandomCodes(info.scheme, n, k, static_cast<uint32_t>(n * 1000 + k));
        std::vector<std::byte> packed(PackedBytes(info.scheme, n, k).value());
        ASSERT_TRUE(PackCodes(info.scheme, n, k, m.View(), packed).ok());
        const int64_t groups = LayoutOf(info.scheme, n, k).groups, group = info.group ? info.group : k;
        EXPECT_EQ(groups, (k + group - 1) / group);
        std::vector<int8_t> codes(static_cast<size_t>(k));
        std::vector<float> scales(static_cast<size_t>(groups)), row(static_cast<size_t>(k));
        for (int64_t r = 0; r < n; ++r) {
          UnpackCodes(info.scheme, n, k, packed.data(), r, codes.data(), scales.data());
          UnpackRow(info.scheme, n, k, packed.data(), r, row.data());
          for (int64_t i = 0; i < k; ++i) {
            const size_t g = static_cast<size_t>(r * groups + i / group), at = static_cast<size_t>(r * k + i);
            const int want = m.codes[at] - (m.zero.empty() ? 0 : m.zero[g]);
            ASSERT_EQ(codes[static_cast<size_t>(i)], want) << info.name << " n " << n << " k " << k << " row " << r << " column " << i;
            ASSERT_EQ(scales[static_cast<size_t>(i / group)], m.scale[g]);
            ASSERT_EQ(row[static_cast<size_t>(i)], m.scale[g] * static_cast<float>(want));
          }
        }
      }
    }
  }
}

TEST(Scheme, FloatsComeBackAsTheyWentIn) {
  std::mt19937 rng(3);
  std::normal_distribution<float> normal;
  for (Scheme scheme : {Scheme::kF32, Scheme::kF16}) {
    for (int64_t n : kRows) {
      for (int64_t k : kCols) {
        std::vector<float> w(static_cast<size_t>(n * k)), row(static_cast<size_t>(k));
        // Eighths of small integers are exact in fp16.
        for (float& v : w) v = scheme == Scheme::kF16 ? std::rint(normal(rng) * 100.0f) / 8.0f : normal(rng);
        std::vector<std::byte> packed(PackedBytes(scheme, n, k).value());
        ASSERT_TRUE(PackFloats(scheme, n, k, w, packed).ok());
        for (int64_t r = 0; r < n; ++r) {
          UnpackRow(scheme, n, k, packed.data(), r, row.data());
          for (int64_t i = 0; i < k; ++i) ASSERT_EQ(row[static_cast<size_t>(i)], w[static_cast<size_t>(r * k + i)]);
        }
      }
    }
  }
}

// Blocks of 16 rows packed alone are the bytes of the whole.
TEST(Scheme, BlocksOfRowsPackAlone) {
  constexpr int64_t n = 50, k = 100;
  for (const SchemeInfo& info : AllSchemes()) {
    if (!info.integer) continue;
    const Matrix m = RandomCodes(info.scheme, n, k, 9);
    const int64_t groups = LayoutOf(info.scheme, n, k).groups;
    std::vector<std::byte> whole(PackedBytes(info.scheme, n, k).value()), parts(whole.size());
    ASSERT_TRUE(PackCodes(info.scheme, n, k, m.View(), whole).ok());
    for (int64_t r = 0; r < n; r += 16) {
      const int64_t rows = std::min<int64_t>(16, n - r);
      const Codes part{m.View().codes.subspan(static_cast<size_t>(r * k), static_cast<size_t>(rows * k)),
                       m.View().scale.subspan(static_cast<size_t>(r * groups), static_cast<size_t>(rows * groups)),
                       m.zero.empty() ? m.View().zero
                                      : m.View().zero.subspan(static_cast<size_t>(r * groups), static_cast<size_t>(rows * groups))};
      const size_t at = r ? PackedBytes(info.scheme, r, k).value() : 0;
      ASSERT_TRUE(PackCodes(info.scheme, rows, k, part, {parts.data() + at, PackedBytes(info.scheme, rows, k).value()}).ok());
    }
    EXPECT_EQ(whole, parts) << info.name;
  }
}

TEST(Scheme, SizesAreLinesPlusScalesAndNeverWrap) {
  // 16 rows x 576: 72 lines of 64 bytes, 9 groups of 32 + 16 bytes, to 64.
  EXPECT_EQ(PackedBytes(Scheme::kI4G64, 16, 576), 72u * 64 + 9 * 48 + 16);
  // int5: 18 lines of 320 bytes, int6: 36 of 192.
  EXPECT_EQ(PackedBytes(Scheme::kI5G64, 16, 576), 18u * 320 + 9 * 48 + 16);
  EXPECT_EQ(PackedBytes(Scheme::kI6G64, 16, 576), 36u * 192 + 9 * 48 + 16);
  EXPECT_EQ(PackedBytes(Scheme::kI8, 16, 576), 144u * 64 + 64);
  EXPECT_EQ(PackedBytes(Scheme::kF16, 3, 33), 3u * 128);
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  for (const SchemeInfo& info : AllSchemes()) {
    for (int64_t bad : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min(), kMost, kMost - 15, int64_t{1} << 41}) {
      EXPECT_FALSE(PackedBytes(info.scheme, bad, 64).has_value()) << info.name << " " << bad;
      EXPECT_FALSE(PackedBytes(info.scheme, 64, bad).has_value()) << info.name << " " << bad;
    }
    EXPECT_FALSE(PackedBytes(info.scheme, int64_t{1} << 40, int64_t{1} << 40).has_value());
    EXPECT_TRUE(PackedBytes(info.scheme, int64_t{1} << 20, int64_t{1} << 20).has_value());
  }
}

TEST(Scheme, WrongSizesAndValuesAreRefusedByPlace) {
  constexpr int64_t n = 17, k = 40;
  for (const SchemeInfo& info : AllSchemes()) {
    if (!info.integer) continue;
    std::vector<std::byte> packed(PackedBytes(info.scheme, n, k).value());
    Matrix m = RandomCodes(info.scheme, n, k, 1);
    EXPECT_EQ(PackCodes(info.scheme, n + 1, k, m.View(), packed).code(), Code::kUsage);
    EXPECT_EQ(PackCodes(info.scheme, n, k, m.View(), {packed.data(), packed.size() - 1}).code(), Code::kUsage);
    Matrix bad = m;
    bad.codes[16 * k + 3] = static_cast<int8_t>(info.zero_point ? info.max_code + 1 : -128);
    Status s = PackCodes(info.scheme, n, k, bad.View(), packed);
    EXPECT_EQ(s.code(), Code::kBadInput);
    EXPECT_NE(s.message().find("row 16, column 3"), std::string::npos) << s.message();
    bad = m;
    bad.scale.back() = std::numeric_limits<float>::infinity();
    EXPECT_EQ(PackCodes(info.scheme, n, k, bad.View(), packed).code(), Code::kBadInput);
    if (info.group) {
      bad.scale.back() = 0.1f;  // no fp16 value
      EXPECT_EQ(PackCodes(info.scheme, n, k, bad.View(), packed).code(), Code::kBadInput);
    }
    if (info.zero_point) {
      bad = m;
      bad.zero.back() = static_cast<uint8_t>(info.max_code + 1);
      EXPECT_EQ(PackCodes(info.scheme, n, k, bad.View(), packed).code(), Code::kBadInput);
    }
    EXPECT_EQ(PackFloats(info.scheme, n, k, std::vector<float>(n * k), packed).code(), Code::kUsage);
  }
  std::vector<std::byte> half(PackedBytes(Scheme::kF16, 2, 3).value());
  std::vector<float> w = {1, 2, 3, 4, 5, 70000.0f};
  Status s = PackFloats(Scheme::kF16, 2, 3, w, half);
  EXPECT_EQ(s.code(), Code::kBadInput);
  EXPECT_NE(s.message().find("row 1, column 2"), std::string::npos) << s.message();
  w[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(PackFloats(Scheme::kF16, 2, 3, w, half).code(), Code::kBadInput);
  EXPECT_EQ(PackCodes(Scheme::kF32, 2, 3, {}, half).code(), Code::kUsage);
}

// What kernels may read past N and K is harmless: zero codes and scales.
TEST(Scheme, PaddingIsTheCodeOfZero) {
  for (const SchemeInfo& info : AllSchemes()) {
    if (!IsInteger(info.scheme)) continue;
    const Matrix m = RandomCodes(info.scheme, 17, 33, 2);
    std::vector<std::byte> packed(PackedBytes(info.scheme, 17, 33).value(), std::byte{0xee});
    ASSERT_TRUE(PackCodes(info.scheme, 17, 33, m.View(), packed).ok());
    std::vector<int8_t> codes(33);
    std::vector<float> scales(2);
    for (int64_t row = 17; row < 32; ++row) {  // the block's unused rows
      UnpackCodes(info.scheme, 32, 33, packed.data(), row, codes.data(), scales.data());
      EXPECT_EQ(codes, std::vector<int8_t>(33, 0)) << info.name;
      EXPECT_EQ(scales[0], 0.0f);
    }
  }
}

}  // namespace
}  // namespace hasten
