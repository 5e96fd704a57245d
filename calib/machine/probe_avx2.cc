// The probe's loops in avx2; what each measures is in probe.h.
#include <immintrin.h>

#include "calib/machine/probe.h"
#include "runtime/kernels/simd_scalar.h"

namespace hasten::calib {

uint64_t ReadAvx2(const std::byte* from, size_t bytes) {
  __m256i acc[8] = {};
  for (size_t at = 0; at < bytes; at += 256) {
    const __m256i* p = reinterpret_cast<const __m256i*>(from + at);
    HST_UNROLL
    for (int i = 0; i < 8; ++i) acc[i] = _mm256_xor_si256(acc[i], _mm256_load_si256(p + i));
  }
  HST_UNROLL
  for (int i = 1; i < 8; ++i) acc[0] = _mm256_xor_si256(acc[0], acc[i]);
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), acc[0]);
  return (lanes[0] ^ lanes[1]) ^ (lanes[2] ^ lanes[3]);
}

// As the AVX2 kernels have to do it: products of pairs in 16 bits, of fours in 32, added.
void Int8Avx2(int64_t iterations) {
  __m256i acc[kChains] = {};
  __m256i x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(5);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t n = 0; n < iterations; ++n) {
    HST_UNROLL
    for (int i = 0; i < kChains; ++i) {
      asm volatile("" : "+x"(x));  // or the products would be made once, before the loop
      acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), ones));
    }
  }
  for (__m256i& a : acc) asm volatile("" : "+x"(a));
}

void Fp32Avx2(int64_t iterations) {
  __m256 acc[kChains] = {};
  const __m256 x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(0.25f);
  for (int64_t n = 0; n < iterations; ++n) {
    HST_UNROLL
    for (int i = 0; i < kChains; ++i) {
      acc[i] = _mm256_fmadd_ps(x, y, acc[i]);
      asm volatile("" : "+x"(acc[i]));
    }
  }
}

}  // namespace hasten::calib
