// exp for the loops that spend their time in it (softmax, sigmoid): plain fp32
// arithmetic that compilers vectorize, within 2 units in the last place.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace hasten::interp {

// e^x by Cody-Waite reduction and the polynomial of Cephes' expf (Moshier 1989).
// Below -87.3 the result is 0 (no subnormals), above 88.7 infinity; NaN stays.
inline float FastExp(float x) {
  const float clamped = x < -87.3f ? -87.3f : (x > 88.7f ? 88.7f : x);
  constexpr float kRound = 12582912.0f;   // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = clamped * 1.44269504088896341f + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // 2^n in two steps: n = 128 has no float of its own.
  const int32_t k = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound);
  const int32_t half = k >> 1;
  const float s1 = std::bit_cast<float>((half + 127) << 23), s2 = std::bit_cast<float>((k - half + 127) << 23);
  const float y = p * s1 * s2;
  const float bounded = x < -87.3f ? 0.0f : (x > 88.7f ? INFINITY : y);
  return x == x ? bounded : x;
}
inline double FastExp(double x) { return std::exp(x); }

}  // namespace hasten::interp
