// Sine and cosine of any double below 2^192, and x^y for floats, in double: the
// rare functions, computed a lane at a time (rope tables, cos, sin, pow). Plain
// multiplies and adds, one rounding each, so that every compiler and backend
// gives the same bits. Range reduction is exact: Payne & Hanek 1983, "Radian
// Reduction for Trigonometric Functions", in integers. Not correctly rounded
// doubles (about 1e-16 relative): results are rounded once more, to float.
#pragma once

#include <cstdint>

#include "runtime/kernels/simd_scalar.h"

namespace hasten {

HST_MATH uint64_t DoubleBits(double a) {
  uint64_t u;
  memcpy(&u, &a, sizeof u);
  return u;
}
HST_MATH double DoubleFromBits(uint64_t u) {
  double a;
  memcpy(&a, &u, sizeof a);
  return a;
}
// 2^n, for n in [-1022, 1023].
HST_MATH double PowerOfTwo(int n) { return DoubleFromBits(static_cast<uint64_t>(n + 1023) << 52); }
// Nearest integer, ties to even, for |x| < 2^51.
HST_MATH double NearestInteger(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

// 64 bits of the binary expansion of 2/pi from bit `p` on (0: the first after
// the point; bits before it are zero).
HST_MATH uint64_t TwoOverPiBits(int p) {
  static constexpr uint64_t kTwoOverPi[] = {0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041,
                                            0xFE5163ABDEBBC561, 0xB7246E3A424DD2E0, 0x06492EEA09D1921C};
  if (p <= -64) return 0;
  if (p < 0) return kTwoOverPi[0] >> -p;
  const int w = p / 64, r = p % 64;
  return r ? kTwoOverPi[w] << r | kTwoOverPi[w + 1] >> (64 - r) : kTwoOverPi[w];
}

// x = quadrant * pi/2 + r with |r| <= pi/4, for pi/4 < x < 2^192; returns r.
HST_MATH double ReduceQuadrant(double x, int* quadrant) {
  const uint64_t bits = DoubleBits(x);
  const uint64_t m = (bits & ((uint64_t{1} << 52) - 1)) | uint64_t{1} << 52;
  const int e = static_cast<int>(bits >> 52) - 1075;  // x = m * 2^e
  // The 192 bits of 2/pi that matter modulo 4, times m, modulo 2^192.
  using U128 = unsigned __int128;
  const U128 p2 = U128{m} * TwoOverPiBits(e + 126);
  const U128 p1 = U128{m} * TwoOverPiBits(e + 62) + static_cast<uint64_t>(p2 >> 64);
  const uint64_t w0 = m * TwoOverPiBits(e - 2) + static_cast<uint64_t>(p1 >> 64);
  const uint64_t w1 = static_cast<uint64_t>(p1), w2 = static_cast<uint64_t>(p2);
  // Two integer bits, then the fraction; above one half, count down from the next.
  U128 f = U128{w0 << 2 | w1 >> 62} << 64 | (w1 << 2 | w2 >> 62);
  const bool up = f >> 127;
  *quadrant = static_cast<int>(w0 >> 62) + up;
  if (up) f = -f;
  int shift = 0;
  while (shift < 127 && !(f >> 127)) f <<= 1, ++shift;
  const double r = static_cast<double>(static_cast<uint64_t>(f >> 64)) * PowerOfTwo(-64 - shift) * 0x1.921fb54442d18p0;
  return up ? -r : r;
}

// Taylor series on |r| <= pi/4; the first omitted term is below 1e-17.
HST_MATH double SinSeries(double r) {
  const double t = r * r;
  double p = 1.0 / 355687428096000;
  p = p * t - 1.0 / 1307674368000;
  p = p * t + 1.0 / 6227020800;
  p = p * t - 1.0 / 39916800;
  p = p * t + 1.0 / 362880;
  p = p * t - 1.0 / 5040;
  p = p * t + 1.0 / 120;
  p = p * t - 1.0 / 6;
  return r + r * (t * p);
}
HST_MATH double CosSeries(double r) {
  const double t = r * r;
  double p = 1.0 / 20922789888000;
  p = p * t - 1.0 / 87178291200;
  p = p * t + 1.0 / 479001600;
  p = p * t - 1.0 / 3628800;
  p = p * t + 1.0 / 40320;
  p = p * t - 1.0 / 720;
  p = p * t + 1.0 / 24;
  p = p * t - 1.0 / 2;
  return 1.0 + t * p;
}

// NaN for NaN, inf and |x| >= 2^192.
HST_MATH void SinCos(double x, double* sine, double* cosine) {
  const double a = x < 0 ? -x : x;
  if (!(a < 0x1p192)) {
    *sine = *cosine = static_cast<double>(kNaN);
    return;
  }
  int quadrant = 0;
  const double r = a <= 0.78 ? a : ReduceQuadrant(a, &quadrant);
  const double s = SinSeries(r), c = CosSeries(r);
  const double s1 = quadrant & 1 ? c : s, c1 = quadrant & 1 ? s : c;
  const double s2 = quadrant & 2 ? -s1 : s1;
  *cosine = (quadrant + 1) & 2 ? -c1 : c1;
  *sine = x < 0 ? -s2 : (a == 0 ? x : s2);
}

HST_MATH float Sin(float x) {
  double s, c;
  SinCos(static_cast<double>(x), &s, &c);
  return static_cast<float>(s);
}
HST_MATH float Cos(float x) {
  double s, c;
  SinCos(static_cast<double>(x), &s, &c);
  return static_cast<float>(c);
}

// log2 of a positive finite float: 2 artanh((m-1)/(m+1)) / ln 2 on m in [sqrt(1/2), sqrt(2)).
HST_MATH double Log2OfFloat(float x) {
  const uint64_t bits = DoubleBits(static_cast<double>(x));
  const int64_t e = static_cast<int64_t>(bits - 0x3fe6a09e667f3bcd) >> 52;
  const double m = DoubleFromBits(bits - static_cast<uint64_t>(e) * (uint64_t{1} << 52));
  const double s = (m - 1.0) / (m + 1.0), t = s * s;
  double p = 1.0 / 21;
  for (int k = 19; k >= 1; k -= 2) p = p * t + 1.0 / k;
  return static_cast<double>(e) + 2.0 * s * p * 0x1.71547652b82fep0;
}

// 2^t rounded to float; inf above and 0 below its range.
HST_MATH float Exp2ToFloat(double t) {
  t = t > 200 ? 200 : t < -200 ? -200 : t;
  const double n = NearestInteger(t), r = (t - n) * 0x1.62e42fefa39efp-1;
  double p = 1.0;
  for (int k = 13; k >= 1; --k) p = 1.0 + r * p / k;
  return static_cast<float>(p * PowerOfTwo(static_cast<int>(n)));
}

// x^y with the special cases of C99 Annex F.9.4.4 (and so ONNX Pow, NumPy).
HST_MATH float Pow(float x, float y) {
  if (y == 0 || x == 1) return 1.0f;
  if (x != x || y != y) return kNaN;
  const float a = x < 0 ? -x : x, ay = y < 0 ? -y : y;
  // Floats from 2^24 on are even integers, inf among them.
  const bool integer = ay >= 0x1p24f || static_cast<float>(static_cast<int32_t>(ay)) == ay;
  const bool odd = ay < 0x1p24f && integer && (static_cast<int32_t>(ay) & 1);
  const bool negative = (Bits(x) >> 31) != 0 && odd;
  if (x < 0 && !integer && a < kInf) return kNaN;
  float r;
  if (a == 0 || a == kInf) {
    r = (a == 0) == (y < 0) ? kInf : 0.0f;
  } else if (a == 1) {
    r = 1.0f;
  } else {
    r = Exp2ToFloat(static_cast<double>(y) * Log2OfFloat(a));
  }
  return negative ? -r : r;
}

}  // namespace hasten
