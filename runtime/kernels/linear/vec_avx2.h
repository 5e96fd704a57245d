// The 8-lane vocabulary that linear's AVX2 and AVX-VNNI files share: a vector
// is half a line, 8 columns by 4 elements of K. Include only from files named
// *_avx2.cc or *_avxvnni.cc, inside nothing; everything is in an unnamed
// namespace, so that no copy is shared between files.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace hasten {
namespace {

struct VecAvx2 {
  using F = __m256;
  using I = __m256i;
  static constexpr int kLanes = 8;
  static constexpr int kFloatM = 2, kFloatV = 2;

  static F ZeroF() { return _mm256_setzero_ps(); }
  static F SetF(float v) { return _mm256_set1_ps(v); }
  static F LoadF(const float* p) { return _mm256_loadu_ps(p); }
  static void StoreF(float* p, F v) { _mm256_storeu_ps(p, v); }
  static F AddF(F a, F b) { return _mm256_add_ps(a, b); }
  static F MulF(F a, F b) { return _mm256_mul_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F ToFloat(I v) { return _mm256_cvtepi32_ps(v); }
  static F LoadHalf(const uint8_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
  static I ZeroI() { return _mm256_setzero_si256(); }
  static I SetI(int32_t v) { return _mm256_set1_epi32(v); }
  static I LoadI(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static void StoreI(uint8_t* p, I v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  static I LowNibbles(I v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
  static I HighNibbles(I v) { return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15)); }
  static I WidenBytes(const uint8_t* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))); }
  // Lane by lane a * b for 0 <= a < 2^15 and |b| < 2^15: the upper half of a is 0.
  static I MulLow16(I a, I b) { return _mm256_madd_epi16(a, b); }
  // 128 - zero, four copies a lane.
  static I ByteBias(const uint8_t* p) {
    return _mm256_sub_epi8(_mm256_set1_epi8(-128), _mm256_mullo_epi32(WidenBytes(p), _mm256_set1_epi32(0x01010101)));
  }
  static I AddBytes(I a, I b) { return _mm256_add_epi8(a, b); }
  // a | (b moved up by kUp bits & kMask) in every byte; what is left of kMask comes from the byte itself.
  template <int kUp, int kMask>
  static I AddBits(I a, I b) {
    const I moved = kUp >= 0 ? _mm256_slli_epi16(b, kUp >= 0 ? kUp : 0) : _mm256_srli_epi16(b, kUp < 0 ? -kUp : 0);
    return _mm256_or_si256(a, _mm256_and_si256(moved, _mm256_set1_epi8(kMask)));
  }
};

}  // namespace
}  // namespace hasten
