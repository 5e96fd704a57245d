// The probe's loops in avxvnni; what each measures is in probe.h.
#include <immintrin.h>

#include "calib/machine/probe.h"
#include "runtime/kernels/simd_scalar.h"

namespace hasten::calib {

void Int8AvxVnni(int64_t iterations) {
  __m256i acc[kChains] = {};
  const __m256i x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(5);
  for (int64_t n = 0; n < iterations; ++n) {
    HST_UNROLL
    for (int i = 0; i < kChains; ++i) {
      acc[i] = _mm256_dpbusd_avx_epi32(acc[i], x, y);
      asm volatile("" : "+x"(acc[i]));
    }
  }
}

}  // namespace hasten::calib
