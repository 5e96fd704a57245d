// Round-to-nearest quantizers: error bounds, edges of the scale's format, refusals.
#include "passes/quant/rtn.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace hasten::passes {
namespace {

std::vector<float> RandomWeights(int64_t count, float size, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, size);
  std::vector<float> w(static_cast<size_t>(count));
  for (float& v : w) v = normal(rng);
  return w;
}

std::vector<float> Decode(const SchemeInfo& info, int64_t n, int64_t k, const OwnedCodes& c) {
  const int64_t group = info.group ? info.group : k, groups = (k + group - 1) / group;
  std::vector<float> out(static_cast<size_t>(n * k));
  for (int64_t i = 0; i < n * k; ++i) {
    const size_t g = static_cast<size_t>(i / k * groups + i % k / group);
    out[static_cast<size_t>(i)] = c.scale[g] * static_cast<float>(c.codes[static_cast<size_t>(i)] - (c.zero.empty() ? 0 : c.zero[g]));
  }
  return out;
}

double RelativeRmse(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += (a[i] - b[i]) * double{a[i] - b[i]};
    size += double{a[i]} * a[i];
  }
  return std::sqrt(error / size);
}

TEST(Rtn, ErrorIsWhatTheBitsAllow) {
  constexpr int64_t n = 20, k = 250;
  const std::vector<float> w = RandomWeights(n * k, 0.05f, 1);
  for (const SchemeInfo& info : AllSchemes()) {
    if (!info.integer) continue;
    OwnedCodes c;
    ASSERT_TRUE(QuantizeRtn(info.scheme, n, k, w, &c).ok());
    // Gaussian groups of up to 250: a step is at most about 3 / 127 or 6 / 15 of
    // the deviation, and the error a third of it.
    EXPECT_LT(RelativeRmse(w, Decode(info, n, k, c)), 1.7 / (1 << info.bits) + 0.003) << info.name;
  }
}

TEST(Rtn, Int8KeepsTheLargestAndRoundsTheRest) {
  const std::vector<float> w = {1.27f, -0.005f, 0.0149f, 0.02f, -1.27f, 0.0f};
  OwnedCodes c;
  ASSERT_TRUE(QuantizeRtn(Scheme::kI8, 1, 6, w, &c).ok());
  EXPECT_EQ(c.scale[0], 1.27f / 127.0f);
  EXPECT_EQ(c.codes[0], 127);
  EXPECT_EQ(c.codes[2], 1);
  EXPECT_EQ(c.codes[3], 2);
  EXPECT_EQ(c.codes[4], -127);
  EXPECT_TRUE(c.zero.empty());
}

TEST(Rtn, Int4RepresentsZeroExactlyAndOneSidedGroups) {
  for (const auto& w : {std::vector<float>{0.9f, 1.0f, 1.1f, 0.0f}, std::vector<float>{-0.9f, -1.0f, -1.1f, 0.0f},
                        std::vector<float>{-1.0f, 2.0f, 0.0f, 0.5f}}) {
    OwnedCodes c;
    ASSERT_TRUE(QuantizeRtn(Scheme::kI4G32, 1, 4, w, &c).ok());
    const std::vector<float> back = Decode(GetScheme(Scheme::kI4G32), 1, 4, c);
    for (size_t i = 0; i < w.size(); ++i) {
      EXPECT_NEAR(back[i], w[i], 0.11f);
      if (w[i] == 0.0f) {
        EXPECT_EQ(back[i], 0.0f);
      }
    }
  }
}

TEST(Rtn, ZeroGroupsAndWeightsNearFp16sEdgesStayFinite) {
  for (const SchemeInfo& info : AllSchemes()) {
    if (!info.integer) continue;
    for (float size : {0.0f, 1e-38f, 1e-9f, 3e-7f, 1e-5f, 1e-3f, 1e4f}) {
      std::vector<float> w = RandomWeights(64, 1.0f, 2);
      for (float& v : w) v *= size;
      OwnedCodes c;
      ASSERT_TRUE(QuantizeRtn(info.scheme, 1, 64, w, &c).ok()) << info.name << " " << size;
      for (float s : c.scale) EXPECT_EQ(s, RoundScale(info.scheme, s));
      // Above fp16's subnormal steps quality must hold; below it may degrade to zero.
      if (size >= 1e-3f) {
        EXPECT_LT(RelativeRmse(w, Decode(info, 1, 64, c)), 1.9 / (1 << info.bits) + 0.013) << info.name << " " << size;
      }
      std::vector<std::byte> packed(PackedBytes(info.scheme, 1, 64).value());
      EXPECT_TRUE(PackCodes(info.scheme, 1, 64, c.View(), packed).ok());
    }
  }
}

TEST(Rtn, WhatIsNotFiniteIsNamed) {
  for (const SchemeInfo& info : AllSchemes()) {
    for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
      std::vector<float> w = RandomWeights(20 * 70, 1.0f, 3);
      w[18 * 70 + 65] = bad;
      std::vector<std::byte> packed(PackedBytes(info.scheme, 20, 70).value());
      const Status s = QuantizeAndPack(info.scheme, 20, 70, 0, w, packed);
      EXPECT_EQ(s.code(), Code::kBadInput) << info.name;
      EXPECT_NE(s.message().find("column 65"), std::string::npos) << s.message();
      EXPECT_NE(s.message().find("row"), std::string::npos) << s.message();
    }
  }
  OwnedCodes c;
  const std::vector<float> huge(32, 3e38f);
  for (Scheme scheme : {Scheme::kI8G32, Scheme::kI4G32}) {  // beyond any fp16 scale
    const Status s = QuantizeRtn(scheme, 1, 32, huge, &c);
    EXPECT_EQ(s.code(), Code::kBadInput);
    EXPECT_NE(s.message().find("row 0"), std::string::npos) << s.message();
  }
}

TEST(Rtn, PiecesPackToTheSameBytesAsTheWhole) {
  constexpr int64_t n = 70, k = 130;
  const std::vector<float> w = RandomWeights(n * k, 0.3f, 4);
  for (const SchemeInfo& info : AllSchemes()) {
    std::vector<std::byte> whole(PackedBytes(info.scheme, n, k).value()), parts(whole.size());
    ASSERT_TRUE(QuantizeAndPack(info.scheme, n, k, 0, w, whole).ok());
    for (const auto& [from, to] : {std::pair{48, 70}, std::pair{0, 16}, std::pair{16, 48}})
      ASSERT_TRUE(QuantizeAndPack(info.scheme, n, k, from, {w.data() + from * k, static_cast<size_t>((to - from) * k)}, parts).ok());
    EXPECT_EQ(whole, parts) << info.name;
    if (info.integer) {
      OwnedCodes c;
      ASSERT_TRUE(QuantizeRtn(info.scheme, n, k, w, &c).ok());
      ASSERT_TRUE(PackCodes(info.scheme, n, k, c.View(), parts).ok());
      EXPECT_EQ(whole, parts) << info.name;
    }
    EXPECT_EQ(QuantizeAndPack(info.scheme, n, k, 8, {w.data(), 16 * k}, whole).code(), Code::kUsage);
    EXPECT_EQ(QuantizeAndPack(info.scheme, n, k, 0, {w.data(), 17 * k}, whole).code(), Code::kUsage);
    EXPECT_EQ(QuantizeAndPack(info.scheme, n, k, 64, {w.data(), 16 * k}, whole).code(), Code::kUsage);
    EXPECT_EQ(QuantizeAndPack(info.scheme, n, k, 0, w, {whole.data(), 64}).code(), Code::kUsage);
  }
}

}  // namespace
}  // namespace hasten::passes
