// Sixteen floats in an AVX-512 register, with the vocabulary of simd_scalar.h.
// Only files named *_avx512vnni.cc include this; unnamed namespace as in
// simd_avx2.h, so that nothing here is ever shared between files.
#pragma once

// gcc 12's own avx512fintrin.h initializes undefined vectors with themselves and
// then warns about it (GCC bug 105593); clang has neither the bug nor the flag.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include "runtime/kernels/simd_scalar.h"

namespace hasten {
namespace {

// An inner name hides the outer ones: keep the scalar overloads beside these.
using hasten::Abs, hasten::Bits, hasten::CopySign, hasten::Eq, hasten::Fma, hasten::FromBits, hasten::IsNaN, hasten::Lt,
    hasten::Max, hasten::Min,
    hasten::ScaleByPowerOfTwo, hasten::ScaleNormal, hasten::Select, hasten::ShiftLeft, hasten::ShiftRightSigned, hasten::Sqrt, hasten::Store,
    hasten::StorePart, hasten::ToFloat;

struct F16 {
  __m512 v;
  F16() = default;
  F16(__m512 x) : v(x) {}                              // NOLINT: implicit on purpose
  explicit F16(float x) : v(_mm512_set1_ps(x)) {}
};
struct I16 {
  __m512i v;
};

HST_MATH F16 operator+(F16 a, F16 b) { return _mm512_add_ps(a.v, b.v); }
HST_MATH F16 operator-(F16 a, F16 b) { return _mm512_sub_ps(a.v, b.v); }
HST_MATH F16 operator*(F16 a, F16 b) { return _mm512_mul_ps(a.v, b.v); }
HST_MATH F16 operator/(F16 a, F16 b) { return _mm512_div_ps(a.v, b.v); }
HST_MATH F16 operator-(F16 a) { return _mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f)); }
HST_MATH F16 Fma(F16 a, F16 b, F16 c) { return _mm512_fmadd_ps(a.v, b.v, c.v); }
HST_MATH F16 Sqrt(F16 a) { return _mm512_sqrt_ps(a.v); }
HST_MATH __mmask16 Lt(F16 a, F16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
HST_MATH __mmask16 Eq(F16 a, F16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ); }
HST_MATH __mmask16 IsNaN(F16 a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q); }
HST_MATH F16 Select(__mmask16 m, F16 a, F16 b) { return _mm512_mask_blend_ps(m, b.v, a.v); }
HST_MATH F16 Max(F16 a, F16 b) { return _mm512_max_ps(a.v, b.v); }
HST_MATH F16 Min(F16 a, F16 b) { return _mm512_min_ps(a.v, b.v); }
HST_MATH F16 Abs(F16 a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v); }
HST_MATH F16 CopySign(F16 a, F16 s) { return _mm512_or_ps(a.v, _mm512_and_ps(_mm512_set1_ps(-0.0f), s.v)); }

HST_MATH I16 operator+(I16 a, I16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
HST_MATH I16 operator-(I16 a, I16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
HST_MATH I16 Bits(F16 a) { return {_mm512_castps_si512(a.v)}; }
template <class V>
HST_MATH F16 FromBits(I16 a) { return _mm512_castsi512_ps(a.v); }
template <class V>
HST_MATH F16 ToFloat(I16 a) { return _mm512_cvtepi32_ps(a.v); }
HST_MATH I16 MaxUnsigned(I16 a, I16 b) { return {_mm512_max_epu32(a.v, b.v)}; }
HST_MATH I16 ShiftLeft(I16 a, int n) { return {_mm512_sll_epi32(a.v, _mm_cvtsi32_si128(n))}; }
HST_MATH I16 ShiftRightSigned(I16 a, int n) { return {_mm512_sra_epi32(a.v, _mm_cvtsi32_si128(n))}; }

// One instruction; it rounds once, as the two exact-then-rounded products of the
// other widths do (Intel SDM, VSCALEFPS).
HST_MATH F16 ScaleByPowerOfTwo(F16 p, F16 n, I16) { return _mm512_scalef_ps(p.v, n.v); }
HST_MATH F16 ScaleNormal(F16 p, F16 n, I16) { return _mm512_scalef_ps(p.v, n.v); }

// The largest lane; none may be NaN.
HST_MATH float ReduceMax(F16 a) { return _mm512_reduce_max_ps(a.v); }
HST_MATH uint32_t ReduceMaxUnsigned(I16 a) {
  __m256i h = _mm256_max_epu32(_mm512_castsi512_si256(a.v), _mm512_extracti64x4_epi64(a.v, 1));
  __m128i m = _mm_max_epu32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
  m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(m));
}
// For 16 vectors, one after another in memory, the reduction of each by `op`, which must
// not depend on order: two vectors become one by halves, four times.
template <class Op>
HST_MATH F16 ReduceEach(const float* p, F16, const Op& op) {
  F16 a[8], b[4], c[2];
  HST_UNROLL
  for (int i = 0; i < 8; ++i) {
    const __m512 x = _mm512_loadu_ps(p + 32 * i), y = _mm512_loadu_ps(p + 32 * i + 16);
    a[i] = op(F16(_mm512_unpacklo_ps(x, y)), F16(_mm512_unpackhi_ps(x, y)));
  }
  HST_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m512d x = _mm512_castps_pd(a[2 * i].v), y = _mm512_castps_pd(a[2 * i + 1].v);
    b[i] = op(F16(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y))), F16(_mm512_castpd_ps(_mm512_unpackhi_pd(x, y))));
  }
  HST_UNROLL
  for (int i = 0; i < 2; ++i)
    c[i] = op(F16(_mm512_shuffle_f32x4(b[2 * i].v, b[2 * i + 1].v, 0x88)), F16(_mm512_shuffle_f32x4(b[2 * i].v, b[2 * i + 1].v, 0xdd)));
  return op(F16(_mm512_shuffle_f32x4(c[0].v, c[1].v, 0x88)), F16(_mm512_shuffle_f32x4(c[0].v, c[1].v, 0xdd)));
}
// Lanes i with lo <= i < hi.
HST_MATH __mmask16 InRange(int lo, int hi, F16) {
  const unsigned below_hi = hi >= 16 ? 0xffffu : hi <= 0 ? 0u : (1u << hi) - 1u;
  const unsigned below_lo = lo >= 16 ? 0xffffu : lo <= 0 ? 0u : (1u << lo) - 1u;
  return static_cast<__mmask16>(below_hi & ~below_lo);
}

HST_MATH __mmask16 PartMask16(int count) { return static_cast<__mmask16>((1u << count) - 1u); }
HST_MATH void Store(float* p, F16 v) { _mm512_storeu_ps(p, v.v); }
HST_MATH void StorePart(float* p, F16 v, int count) { _mm512_mask_storeu_ps(p, PartMask16(count), v.v); }

}  // namespace

template <>
inline constexpr int kLanes<F16> = 16;
template <>
inline F16 Load<F16>(const float* p) { return _mm512_loadu_ps(p); }
template <>
inline F16 LoadPart<F16>(const float* p, int count) { return _mm512_maskz_loadu_ps(PartMask16(count), p); }

}  // namespace hasten
