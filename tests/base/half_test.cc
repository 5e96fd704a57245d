// half.h against the hardware's F16C on all 65536 halves and a dense sweep of
// floats, and against arithmetic where it has none (bfloat16).
#include "runtime/base/half.h"

#include <immintrin.h>

#include <cmath>

#include <gtest/gtest.h>

#include "runtime/base/isa.h"

namespace hasten {
namespace {

__attribute__((target("f16c"))) float HardwareToFloat(uint16_t h) { return _cvtsh_ss(h); }
__attribute__((target("f16c"))) uint16_t HardwareToHalf(float f) { return _cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT); }

uint32_t Bits(float f) { return std::bit_cast<uint32_t>(f); }

TEST(Half, EveryHalfWidensAsTheHardwareDoes) {
  if (!IsaAvailable(Isa::kAvx2)) GTEST_SKIP() << "F16C came before AVX2; this CPU has no AVX2";
  for (uint32_t h = 0; h < 65536; ++h)
    ASSERT_EQ(Bits(HalfToFloat(static_cast<uint16_t>(h))), Bits(HardwareToFloat(static_cast<uint16_t>(h)))) << h;
}

TEST(Half, FloatsNarrowAsTheHardwareDoes) {
  if (!IsaAvailable(Isa::kAvx2)) GTEST_SKIP() << "F16C came before AVX2; this CPU has no AVX2";
  for (uint64_t u = 0; u < uint64_t{1} << 32; u += 251) {  // prime: all exponents, all kinds of mantissas
    const float f = std::bit_cast<float>(static_cast<uint32_t>(u));
    ASSERT_EQ(FloatToHalf(f), HardwareToHalf(f)) << u;
  }
}

// Halfway points and their neighbours, where rounding is decided.
TEST(Half, RoundsTiesToEven) {
  for (uint32_t h = 0; h < 0x7c00; ++h) {
    const float low = HalfToFloat(static_cast<uint16_t>(h));
    const float high = h + 1 == 0x7c00 ? 65536.0f : HalfToFloat(static_cast<uint16_t>(h + 1));
    const float middle = low + (high - low) / 2;  // exact: 12 bits
    const uint32_t even = h % 2 == 0 ? h : h + 1;
    ASSERT_EQ(FloatToHalf(low), h);
    ASSERT_EQ(FloatToHalf(middle), even) << h;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0f)), h);
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 1e9f)), h + 1);
    ASSERT_EQ(FloatToHalf(-middle), even | 0x8000u);
  }
}

TEST(Half, KnownValues) {
  static_assert(HalfToFloat(0x3c00) == 1.0f);
  static_assert(FloatToHalf(65504.0f) == 0x7bff);
  static_assert(FloatToHalf(65520.0f) == 0x7c00);
  static_assert(FloatToHalf(0x1p-24f) == 1);
  static_assert(FloatToHalf(0x1p-25f) == 0);
  EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(NAN))));
  EXPECT_TRUE(std::signbit(HalfToFloat(FloatToHalf(-0.0f))));
}

TEST(BFloat, RoundsToNearestEven) {
  for (uint32_t b = 0; b < 65536; ++b) {
    const float f = BFloatToFloat(static_cast<uint16_t>(b));
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(BFloatToFloat(FloatToBFloat(f))));
      continue;
    }
    ASSERT_EQ(FloatToBFloat(f), b);
    if ((b & 0x7fff) >= 0x7f7f) continue;  // the next one is not finite
    const uint32_t middle = b << 16 | 0x8000;
    ASSERT_EQ(FloatToBFloat(std::bit_cast<float>(middle)), b % 2 == 0 ? b : b + 1);
    ASSERT_EQ(FloatToBFloat(std::bit_cast<float>(middle - 1)), b);
    ASSERT_EQ(FloatToBFloat(std::bit_cast<float>(middle + 1)), b + 1);
  }
  EXPECT_EQ(FloatToBFloat(3.4e38f), 0x7f80);  // rounds up to infinity
}

}  // namespace
}  // namespace hasten
