// exp, log, tanh, sigmoid, erf and what is built of them, once for every
// backend: templates over V, which is float or a SIMD vector of floats
// (simd_*.h), with explicit fma, so that every width and the GPU give the same
// bits (docs/numerics.md). Not a libm: round to nearest is assumed, errno and
// exception flags are not kept, the payload of a NaN is not specified.
//
// Polynomials are own minimax fits (weighted least squares, Lawson's iteration);
// each comment gives the fit's error. Accuracy is tested against double.
#pragma once

#include "runtime/kernels/simd_scalar.h"

namespace hasten {

// e^x for x <= 89 (or NaN): Exp without the test for overflow.
template <class V>
HST_MATH V ExpBelow89(V x) {
  x = Max(V(-104.0f), x);  // below, the result is 0; a NaN stays
  // n = rint(x / ln 2) through the magic constant 1.5 * 2^23, r = x - n ln 2.
  const V shifted = Fma(x, V(0x1.715476p+0f), V(12582912.0f));
  const V n = shifted - V(12582912.0f);
  V r = Fma(n, V(-0x1.62e400p-1f), x);  // ln 2 to 15 bits: the product is exact
  r = Fma(n, V(-0x1.7f7d1cp-20f), r);
  // (e^r - 1 - r) / r^2 on |r| <= 0.35: 3.4e-9.
  V p = V(0x1.6dbc64p-10f);
  p = Fma(p, r, V(0x1.124148p-7f));
  p = Fma(p, r, V(0x1.555454p-5f));
  p = Fma(p, r, V(0x1.555486p-3f));
  p = Fma(p, r, V(0.5f));
  p = Fma(p, r, V(1.0f));
  p = Fma(p, r, V(1.0f));
  return ScaleByPowerOfTwo(p, n, Bits(shifted) - Bits(V(12582912.0f)));
}

// 2^x for x <= 1 (or NaN), to 3e-6 of it: for weights that are rounded to 8 bits.
// Below -126 the result is that of -126.
template <class V>
HST_MATH V Exp2Coarse(V x) {
  x = Max(V(-126.0f), x);  // a NaN stays
  const V shifted = x + V(12582912.0f);
  const V n = shifted - V(12582912.0f);
  const V r = x - n;
  // (2^r - 1) / r on |r| <= 1/2: 2.8e-6 of 2^r.
  V p = V(0x1.3a02ccp-7f);
  p = Fma(p, r, V(0x1.c9fc46p-5f));
  p = Fma(p, r, V(0x1.ec0378p-3f));
  p = Fma(p, r, V(0x1.62e12cp-1f));
  p = Fma(p, r, V(1.0f));
  return ScaleNormal(p, n, Bits(shifted) - Bits(V(12582912.0f)));
}

// 2^n for whole n <= 0, exactly; +0 below -126 and for a NaN.
template <class V>
HST_MATH V PowerOfTwo(V n) {
  // The sum's low bits are n + 127, and what is above them leaves by the shift.
  const V power = FromBits<V>(ShiftLeft(Bits(n + V(12583039.0f)), 23));
  return Select(Lt(V(-127.0f), n), power, V(0.0f));
}

// e^x. At most 1 ulp; subnormal results are rounded once; overflows to inf.
template <class V>
HST_MATH V Exp(V x) {
  return ExpBelow89(Min(V(89.0f), x));  // from 89 on the result is inf
}

// ln(x). At most 2 ulp; -inf at 0, NaN below.
template <class V>
HST_MATH V Log(V x) {
  const auto tiny = Lt(x, V(0x1p-126f));
  const V scaled = Select(tiny, x * V(0x1p+25f), x);
  // scaled = m * 2^e with m in [sqrt(1/2), sqrt(2)).
  const auto e = ShiftRightSigned(Bits(scaled) - Bits(V(0x1.6a09e6p-1f)), 23);
  const V m = FromBits<V>(Bits(scaled) - ShiftLeft(e, 23));
  const V n = ToFloat<V>(e) - Select(tiny, V(25.0f), V(0.0f));
  const V f = m - V(1.0f);
  // (ln(1+f) - f + f^2/2) / f^3: 1.4e-10.
  V p = V(-0x1.f7ee9ep-5f);
  p = Fma(p, f, V(0x1.b80d24p-4f));
  p = Fma(p, f, V(-0x1.ba1fbap-4f));
  p = Fma(p, f, V(0x1.c30da0p-4f));
  p = Fma(p, f, V(-0x1.fcee86p-4f));
  p = Fma(p, f, V(0x1.2498bcp-3f));
  p = Fma(p, f, V(-0x1.5563d8p-3f));
  p = Fma(p, f, V(0x1.9999cap-3f));
  p = Fma(p, f, V(-0x1.ffffd2p-3f));
  p = Fma(p, f, V(0x1.555556p-2f));
  const V f2 = f * f;
  V y = p * (f2 * f);
  y = Fma(n, V(0x1.7f7d1cp-20f), y);
  y = Fma(V(-0.5f), f2, y);
  y = y + f;
  y = Fma(n, V(0x1.62e400p-1f), y);
  y = Select(Lt(x, V(kInf)), y, x);  // inf and NaN stay what they are
  y = Select(Eq(x, V(0.0f)), V(-kInf), y);
  return Select(Lt(x, V(0.0f)), V(kNaN), y);
}

// tanh(x). At most 2 ulp.
template <class V>
HST_MATH V Tanh(V x) {
  const V a = Abs(x);
  // (tanh(a)/a - 1) / a^2 over a^2 on a < 0.626: 1.5e-10.
  const V t = a * a;
  V p = V(0x1.190bacp-9f);
  p = Fma(p, t, V(-0x1.0c03d0p-7f));
  p = Fma(p, t, V(0x1.638f20p-6f));
  p = Fma(p, t, V(-0x1.b9eefep-5f));
  p = Fma(p, t, V(0x1.111068p-3f));
  p = Fma(p, t, V(-0x1.555554p-2f));
  const V small = Fma(p * t, a, a);
  const V big = V(1.0f) - V(2.0f) / (Exp(a + a) + V(1.0f));
  return CopySign(Select(Lt(a, V(0.625f)), small, big), x);
}

// 1 / (1 + e^-x), from e^-|x| so that neither tail loses its digits. At most 2.5 ulp.
template <class V>
HST_MATH V Sigmoid(V x) {
  const V e = Exp(-Abs(x));
  return Select(Lt(x, V(0.0f)), e, V(1.0f)) / (V(1.0f) + e);
}

// erf(x). At most 2.5 ulp.
template <class V>
HST_MATH V Erf(V x) {
  const V a = Abs(x);
  // erf(a)/a over a^2 on a < 1: 3.2e-11.
  const V t = a * a;
  V p = V(-0x1.44cfb8p-17f);
  p = Fma(p, t, V(0x1.d8b88ap-14f));
  p = Fma(p, t, V(-0x1.bcd7dep-11f));
  p = Fma(p, t, V(0x1.562b1ap-8f));
  p = Fma(p, t, V(-0x1.b829d8p-6f));
  p = Fma(p, t, V(0x1.ce2f0ap-4f));
  p = Fma(p, t, V(-0x1.812746p-2f));
  p = Fma(p, t, V(0x1.20dd76p+0f));
  const V small = p * a;
  // ln(erfc(a)) on 1 <= a <= 4: 2.1e-11 of erf; beyond 4 erf rounds to 1.
  const V c = Select(Lt(a, V(4.0f)), a, V(4.0f));
  V q = V(-0x1.6c06a4p-16f);
  q = Fma(q, c, V(0x1.ceeafap-12f));
  q = Fma(q, c, V(-0x1.1398fcp-8f));
  q = Fma(q, c, V(0x1.9d0bd6p-6f));
  q = Fma(q, c, V(-0x1.bc18d0p-4f));
  q = Fma(q, c, V(-0x1.4434f0p-1f));
  q = Fma(q, c, V(-0x1.212c2cp+0f));
  q = Fma(q, c, V(0x1.8b3eb8p-13f));
  const V big = V(1.0f) - Exp(q);
  const V y = Select(Lt(a, V(1.0f)), small, big);
  return Select(IsNaN(x), x, CopySign(y, x));
}

// ln(1 + e^x) = max(x, 0) + log1p(e^-|x|).
template <class V>
HST_MATH V Softplus(V x) {
  const V e = Exp(-Abs(x));
  const V u = V(1.0f) + e;
  // log1p by the correction of Kahan: ln(u) + (e - (u - 1)) / u.
  const V l = Log(u) + (e - (u - V(1.0f))) / u;
  return Select(Lt(x, V(0.0f)), V(0.0f), x) + l;
}

// Larger and smaller of two; a NaN wins; of +0 and -0 the second operand.
template <class V>
HST_MATH V MaxNaN(V a, V b) {
  return Select(IsNaN(a), a, Select(Lt(b, a), a, b));
}
template <class V>
HST_MATH V MinNaN(V a, V b) {
  return Select(IsNaN(a), a, Select(Lt(a, b), a, b));
}

}  // namespace hasten
