// What leaves the cache and returns: as fp32, and token by token in the exact
// form (saved_token.cc), which also refuses what no cache holds.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/attention/quant.h"
#include "tests/kernels/attention/attention_fixture.h"

namespace hasten {
namespace {

using testing::MakeSequence;
using testing::TestSequence;

constexpr KvType kTypes[] = {KvType::kI8, KvType::kF16, KvType::kF32};

AttentionShape Shape(KvType kv, int64_t dim, int64_t v_dim) {
  AttentionShape s;
  s.heads = 4, s.kv_heads = 2, s.head_dim = dim, s.v_head_dim = v_dim, s.scale = 1, s.kv = kv;
  return s;
}

const Kernel<KvAppendArgs>& BestAppend(const AttentionShape& s) {
  KvAppendArgs a;
  a.shape = s;
  return *SelectKernel(KvAppendKernels(), a, BestIsa());
}

// A sequence exported as fp32 and imported again holds the same bytes: with s =
// fl(a / 127), fl(fl(127 s) / 127) is s again, and rint(fl(q s) / s) is q. Both
// hold for every significand (all are tried), so for every a whose 127 s does not
// overflow: nothing is subnormal from 2^-100 up, where scales begin.
TEST(KvAppend, RequantizingADequantizedRowGivesTheSameScaleAndCodes) {
  for (uint32_t significand = 0; significand < (1u << 23); ++significand) {
    const float a = FromBits<float>(kTinyBits + significand), s = ScaleOf(&a, 1), top = 127.0f * s;
    ASSERT_EQ(Bits(ScaleOf(&top, 1)), Bits(s)) << significand;
    if (significand % 1024 != 0) continue;  // x / s is within 2^-23 of q: a rounding cannot reach q + 1/2
    for (int32_t q = -127; q <= 127; ++q) ASSERT_EQ(QuantizeToI8(static_cast<float>(q) * s, s), q);
  }
}

TEST(KvAppend, AppendingWhatWasReadGivesTheSameBytes) {
  for (KvType kv : kTypes) {
    const AttentionShape s = Shape(kv, 40, 24);
    TestSequence t = MakeSequence(s, 64, 21), u = MakeSequence(s, 64, 21);
    for (size_t i = 0; i < t.k.size(); ++i) t.k[i] *= std::ldexp(1.0f, static_cast<int>(i / 80) - 32);
    const Kernel<KvAppendArgs>& append = BestAppend(s);
    testing::RunStep(s, {{&t}, {0}, {64}}, append, nullptr, 1);
    for (int64_t p = 0; p < 64; ++p) KvReadToken(s, t.page_list[0], p, u.k.data() + p * 80, u.v.data() + p * 48);
    testing::RunStep(s, {{&u}, {0}, {64}}, append, nullptr, 2);
    EXPECT_EQ(std::memcmp(t.page_list[0], u.page_list[0], KvPageBytes(s)), 0) << static_cast<int>(kv);
  }
}

// Into a page full of other bytes: all of the page is the same, padding as well.
TEST(SavedToken, RestoringGivesTheSamePage) {
  for (const KvType kv : kTypes)
    for (const auto& [dim, v_dim] : {std::pair{40, 24}, {1, 1}, {17, 33}}) {
      const AttentionShape s = Shape(kv, dim, v_dim);
      TestSequence t = MakeSequence(s, 64, 21);
      // A broken model's values too.
      t.k[3] = t.v[5] = std::numeric_limits<float>::infinity();
      t.k[t.k.size() / 2] = t.v[t.v.size() / 3] = NAN;
      testing::RunStep(s, {{&t}, {0}, {64}}, BestAppend(s), nullptr, 1);
      testing::AlignedBytes page(KvPageBytes(s));
      std::memset(page.data(), 0xa5, KvPageBytes(s));
      std::vector<std::byte> token(KvSavedTokenBytes(s));
      for (int64_t slot = 0; slot < 64; ++slot) {
        KvSaveToken(s, t.page_list[0], slot, token.data());
        ASSERT_TRUE(KvRestoreToken(s, page.data(), slot, token.data()));
      }
      EXPECT_EQ(std::memcmp(page.data(), t.page_list[0], KvPageBytes(s)), 0) << static_cast<int>(kv) << " " << dim;
    }
}

TEST(SavedToken, Int8ScalesAndCodesThatNoCacheHolds) {
  const AttentionShape s = Shape(KvType::kI8, 8, 4);
  testing::AlignedBytes page(KvPageBytes(s));
  const auto takes = [&](size_t at, uint32_t value, size_t bytes) {
    std::vector<std::byte> token(KvSavedTokenBytes(s));
    std::memcpy(token.data() + at, &value, bytes);
    return KvRestoreToken(s, page.data(), 0, token.data());
  };
  const size_t head = 8 + 12;  // two scales, 8 + 4 codes
  for (const size_t at : {size_t{0}, size_t{4}, head, head + 4}) {
    for (const uint32_t good : {0u, 0x3f800000u, 0x7f800000u, 0x7fc00000u}) EXPECT_TRUE(takes(at, good, 4)) << good;
    for (const uint32_t bad : {0x80000000u, 0xbf800000u, 0xffc00000u, 1u, 0x00800000u}) EXPECT_FALSE(takes(at, bad, 4)) << bad;
  }
  for (const size_t at : {size_t{8}, size_t{19}, head + 8, head + 19}) {
    EXPECT_TRUE(takes(at, 0x7f, 1) && takes(at, 0x81, 1));
    EXPECT_FALSE(takes(at, 0x80, 1));
  }
}

}  // namespace
}  // namespace hasten
