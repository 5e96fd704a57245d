// quantize with AVX2: 8 elements at a time.
#include <immintrin.h>

#include "runtime/kernels/quantize/rows.h"

namespace hasten {
namespace {

struct Vec {
  using F = __m256;
  using I = __m256i;
  static constexpr int64_t kLanes = 8;
  static F Load(const float* p) { return _mm256_loadu_ps(p); }
  static void Store(float* p, F v) { _mm256_storeu_ps(p, v); }
  static F Set(float v) { return _mm256_set1_ps(v); }
  static I ZeroI() { return _mm256_setzero_si256(); }
  static I MaxBits(I top, F x) {
    return _mm256_max_epi32(top, _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff)));
  }
  static I Quantize(F x, F s) {
    const I q = _mm256_cvtps_epi32(_mm256_div_ps(x, s));
    return _mm256_max_epi32(_mm256_min_epi32(q, _mm256_set1_epi32(127)), _mm256_set1_epi32(-127));
  }
  static F Rest(F x, I q, F s) { return _mm256_fnmadd_ps(_mm256_cvtepi32_ps(q), s, x); }
  static I Add(I a, I b) { return _mm256_add_epi32(a, b); }
  static void StoreBytes(int8_t* p, I v) {
    const __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(w, w));
  }
  static uint32_t ReduceMax(I v) {
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(m));
  }
  static int32_t ReduceAdd(I v) {
    __m128i m = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_add_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_add_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtsi128_si32(m);
  }
};

#include "runtime/kernels/quantize/cpu_impl.inc"

}  // namespace

void QuantizeRunAvx2(const QuantizeArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunRows(a, begin, end, scratch); }

}  // namespace hasten
