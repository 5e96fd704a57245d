// Scalar quantization of one head's vector to int8 (queries, keys, values), as
// part of attention's definition:
//   absmax = the largest |x|, compared as bit patterns, so that a NaN wins;
//   absmax < 2^-100: scale 0 and all q 0;
//   else scale = absmax / 127, q = rint(clamp(x / scale, -127, 127)), ties to even.
// A NaN scale makes every score or sum that it touches NaN: a broken model shows
// in its logits and is not hidden.
#pragma once

#include <cstdint>

#include "runtime/kernels/simd_scalar.h"

namespace hasten {

inline constexpr uint32_t kTinyBits = 0x0d800000;  // 2^-100

// rint(x) for |x| < 2^22; unspecified but defined for others.
HST_MATH int32_t NearestInt(float x) {
  return static_cast<int32_t>(Bits(x + 12582912.0f) - Bits(12582912.0f));
}

// The scale of a row whose largest |x| has these bits.
HST_MATH float ScaleOfMost(uint32_t absmax) {
  return absmax < kTinyBits ? 0.0f : FromBits<float>(absmax) / 127.0f;
}

HST_MATH float ScaleOf(const float* x, int64_t n) {
  uint32_t absmax = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t a = Bits(x[i]) & 0x7fffffffu;
    absmax = a > absmax ? a : absmax;
  }
  return ScaleOfMost(absmax);
}

HST_MATH int32_t QuantizeToI8(float x, float scale) {
  if (Bits(scale) == 0) return 0;
  float y = x / scale;
  y = y > -127.0f ? y : -127.0f;  // NaN becomes -127
  y = y < 127.0f ? y : 127.0f;
  return NearestInt(y);
}

}  // namespace hasten
