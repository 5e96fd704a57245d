// quantize with AVX-512: 16 elements at a time.
// gcc 12 warns of uninitialized values inside its own AVX-512 header (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include "runtime/kernels/quantize/rows.h"

namespace hasten {
namespace {

struct Vec {
  using F = __m512;
  using I = __m512i;
  static constexpr int64_t kLanes = 16;
  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static F Set(float v) { return _mm512_set1_ps(v); }
  static I ZeroI() { return _mm512_setzero_si512(); }
  static I MaxBits(I top, F x) {
    return _mm512_max_epi32(top, _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
  }
  static I Quantize(F x, F s) {
    const I q = _mm512_cvtps_epi32(_mm512_div_ps(x, s));
    return _mm512_max_epi32(_mm512_min_epi32(q, _mm512_set1_epi32(127)), _mm512_set1_epi32(-127));
  }
  static F Rest(F x, I q, F s) { return _mm512_fnmadd_ps(_mm512_cvtepi32_ps(q), s, x); }
  static I Add(I a, I b) { return _mm512_add_epi32(a, b); }
  static void StoreBytes(int8_t* p, I v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v)); }
  static uint32_t ReduceMax(I v) { return static_cast<uint32_t>(_mm512_reduce_max_epi32(v)); }
  static int32_t ReduceAdd(I v) { return _mm512_reduce_add_epi32(v); }
};

#include "runtime/kernels/quantize/cpu_impl.inc"

}  // namespace

void QuantizeRunAvx512Vnni(const QuantizeArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunRows(a, begin, end, scratch); }

}  // namespace hasten
