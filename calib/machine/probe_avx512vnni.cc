// The probe's loops in avx512vnni; what each measures is in probe.h.
#include <immintrin.h>

#include "calib/machine/probe.h"
#include "runtime/kernels/simd_scalar.h"

namespace hasten::calib {

uint64_t ReadAvx512(const std::byte* from, size_t bytes) {
  __m512i acc[8] = {};
  for (size_t at = 0; at < bytes; at += 512) {
    const __m512i* p = reinterpret_cast<const __m512i*>(from + at);
    HST_UNROLL
    for (int i = 0; i < 8; ++i) acc[i] = _mm512_xor_si512(acc[i], _mm512_load_si512(p + i));
  }
  HST_UNROLL
  for (int i = 1; i < 8; ++i) acc[0] = _mm512_xor_si512(acc[0], acc[i]);
  alignas(64) uint64_t lanes[8];
  _mm512_store_si512(lanes, acc[0]);
  return (lanes[0] ^ lanes[1]) ^ (lanes[2] ^ lanes[3]) ^ (lanes[4] ^ lanes[5]) ^ (lanes[6] ^ lanes[7]);
}

void Int8Avx512Vnni(int64_t iterations) {
  __m512i acc[kChains] = {};
  const __m512i x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(5);
  for (int64_t n = 0; n < iterations; ++n) {
    HST_UNROLL
    for (int i = 0; i < kChains; ++i) {
      acc[i] = _mm512_dpbusd_epi32(acc[i], x, y);
      asm volatile("" : "+v"(acc[i]));
    }
  }
}

void Fp32Avx512(int64_t iterations) {
  __m512 acc[kChains] = {};
  const __m512 x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(0.25f);
  for (int64_t n = 0; n < iterations; ++n) {
    HST_UNROLL
    for (int i = 0; i < kChains; ++i) {
      acc[i] = _mm512_fmadd_ps(x, y, acc[i]);
      asm volatile("" : "+v"(acc[i]));
    }
  }
}

}  // namespace hasten::calib
