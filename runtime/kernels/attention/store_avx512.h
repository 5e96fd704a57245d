// Sixteen floats rounded to int8 or fp16 and stored, for attention and kv_append.
// Only files for this instruction set include it.
#pragma once

#include "runtime/kernels/simd_avx512.h"

namespace hasten {
namespace {

HST_MATH void StoreI8(int8_t* q, F16 v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(q), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v.v)));
}
HST_MATH void StoreHalf(uint16_t* p, F16 v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v.v, _MM_FROUND_TO_NEAREST_INT));
}

}  // namespace
}  // namespace hasten
