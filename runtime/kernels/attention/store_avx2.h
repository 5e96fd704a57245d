// Eight floats rounded to int8 or fp16 and stored, for attention and kv_append.
// Only files for this instruction set include it.
#pragma once

#include "runtime/kernels/simd_avx2.h"

namespace hasten {
namespace {

HST_MATH __m128i ToI16(F8 v) {
  const __m256i i = _mm256_cvtps_epi32(v.v);
  return _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
}
HST_MATH void StoreI8(int8_t* q, F8 v) {
  const __m128i w = ToI16(v);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(q), _mm_packs_epi16(w, w));
}
HST_MATH void StoreHalf(uint16_t* p, F8 v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v.v, _MM_FROUND_TO_NEAREST_INT));
}

}  // namespace
}  // namespace hasten
