// Eight floats in an AVX2 register, with the vocabulary of simd_scalar.h. Only
// files named *_avx2.cc include this. The types live in an unnamed namespace:
// every template instantiated with them is then private to its file, and code
// for one instruction set cannot be linked into another's.
#pragma once

#include <immintrin.h>

#include "runtime/kernels/simd_scalar.h"

namespace hasten {
namespace {

// An inner name hides the outer ones: keep the scalar overloads beside these.
using hasten::Abs, hasten::Bits, hasten::CopySign, hasten::Eq, hasten::Fma, hasten::FromBits, hasten::IsNaN, hasten::Lt,
    hasten::Max, hasten::Min,
    hasten::ScaleByPowerOfTwo, hasten::ScaleNormal, hasten::Select, hasten::ShiftLeft, hasten::ShiftRightSigned, hasten::Sqrt, hasten::Store,
    hasten::StorePart, hasten::ToFloat;

struct F8 {
  __m256 v;
  F8() = default;
  F8(__m256 x) : v(x) {}                              // NOLINT: implicit on purpose
  explicit F8(float x) : v(_mm256_set1_ps(x)) {}
};
struct I8 {
  __m256i v;
};
struct M8 {
  __m256 v;
};

HST_MATH F8 operator+(F8 a, F8 b) { return _mm256_add_ps(a.v, b.v); }
HST_MATH F8 operator-(F8 a, F8 b) { return _mm256_sub_ps(a.v, b.v); }
HST_MATH F8 operator*(F8 a, F8 b) { return _mm256_mul_ps(a.v, b.v); }
HST_MATH F8 operator/(F8 a, F8 b) { return _mm256_div_ps(a.v, b.v); }
HST_MATH F8 operator-(F8 a) { return _mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f)); }
HST_MATH F8 Fma(F8 a, F8 b, F8 c) { return _mm256_fmadd_ps(a.v, b.v, c.v); }
HST_MATH F8 Sqrt(F8 a) { return _mm256_sqrt_ps(a.v); }
HST_MATH M8 Lt(F8 a, F8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
HST_MATH M8 Eq(F8 a, F8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
HST_MATH M8 IsNaN(F8 a) { return {_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)}; }
HST_MATH F8 Select(M8 m, F8 a, F8 b) { return _mm256_blendv_ps(b.v, a.v, m.v); }
HST_MATH F8 Max(F8 a, F8 b) { return _mm256_max_ps(a.v, b.v); }
HST_MATH F8 Min(F8 a, F8 b) { return _mm256_min_ps(a.v, b.v); }
HST_MATH F8 Abs(F8 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v); }
HST_MATH F8 CopySign(F8 a, F8 s) { return _mm256_or_ps(a.v, _mm256_and_ps(_mm256_set1_ps(-0.0f), s.v)); }

HST_MATH I8 operator+(I8 a, I8 b) { return {_mm256_add_epi32(a.v, b.v)}; }
HST_MATH I8 operator-(I8 a, I8 b) { return {_mm256_sub_epi32(a.v, b.v)}; }
HST_MATH I8 Bits(F8 a) { return {_mm256_castps_si256(a.v)}; }
template <class V>
HST_MATH F8 FromBits(I8 a) { return _mm256_castsi256_ps(a.v); }
template <class V>
HST_MATH F8 ToFloat(I8 a) { return _mm256_cvtepi32_ps(a.v); }
HST_MATH I8 MaxUnsigned(I8 a, I8 b) { return {_mm256_max_epu32(a.v, b.v)}; }
HST_MATH I8 ShiftLeft(I8 a, int n) { return {_mm256_slli_epi32(a.v, n)}; }
HST_MATH I8 ShiftRightSigned(I8 a, int n) { return {_mm256_srai_epi32(a.v, n)}; }

HST_MATH F8 ScaleByPowerOfTwo(F8 p, F8, I8 n) {
  const I8 half = ShiftRightSigned(n, 1), bias = {_mm256_set1_epi32(127)};
  return p * FromBits<F8>(ShiftLeft(half + bias, 23)) * FromBits<F8>(ShiftLeft(n - half + bias, 23));
}
HST_MATH F8 ScaleNormal(F8 p, F8, I8 n) {
  return p * FromBits<F8>(ShiftLeft(n + I8{_mm256_set1_epi32(127)}, 23));
}

// The largest lane; none may be NaN.
HST_MATH float ReduceMax(F8 a) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
HST_MATH uint32_t ReduceMaxUnsigned(I8 a) {
  __m128i m = _mm_max_epu32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
  m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(m));
}
// For 8 vectors, one after another in memory, the reduction of each by `op`, which must
// not depend on order: two vectors become one by halves, three times.
template <class Op>
HST_MATH F8 ReduceEach(const float* p, F8, const Op& op) {
  F8 a[4], b[2];
  HST_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m256 x = _mm256_loadu_ps(p + 16 * i), y = _mm256_loadu_ps(p + 16 * i + 8);
    a[i] = op(F8(_mm256_unpacklo_ps(x, y)), F8(_mm256_unpackhi_ps(x, y)));
  }
  HST_UNROLL
  for (int i = 0; i < 2; ++i) {
    const __m256d x = _mm256_castps_pd(a[2 * i].v), y = _mm256_castps_pd(a[2 * i + 1].v);
    b[i] = op(F8(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y))), F8(_mm256_castpd_ps(_mm256_unpackhi_pd(x, y))));
  }
  return op(F8(_mm256_permute2f128_ps(b[0].v, b[1].v, 0x20)), F8(_mm256_permute2f128_ps(b[0].v, b[1].v, 0x31)));
}
// Lanes i with lo <= i < hi.
HST_MATH M8 InRange(int lo, int hi, F8) {
  const __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {_mm256_castsi256_ps(_mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(lo), i),
                                                  _mm256_cmpgt_epi32(_mm256_set1_epi32(hi), i)))};
}

HST_MATH __m256i PartMask8(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
HST_MATH void Store(float* p, F8 v) { _mm256_storeu_ps(p, v.v); }
HST_MATH void StorePart(float* p, F8 v, int count) { _mm256_maskstore_ps(p, PartMask8(count), v.v); }

}  // namespace

template <>
inline constexpr int kLanes<F8> = 8;
template <>
inline F8 Load<F8>(const float* p) { return _mm256_loadu_ps(p); }
template <>
inline F8 LoadPart<F8>(const float* p, int count) { return _mm256_maskload_ps(p, PartMask8(count)); }

}  // namespace hasten
