// linear with AVX-512 VNNI: a vector is a whole line, 16 columns by 4 elements.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // inside gcc 12's own header (GCC bug 105593)
#endif

#include <immintrin.h>

#include <utility>

#include "runtime/kernels/linear/plan.h"
#include "runtime/kernels/linear/rows.h"

namespace hasten {
namespace {

struct Vec {
  using F = __m512;
  using I = __m512i;
  static constexpr int kLanes = 16;
  static constexpr bool kPairSums = false;   // vpdpbusd adds four products in 32 bits
  static constexpr int32_t kByteOffset = 128;  // Bytes are unsigned to it: dot = dpbusd - 128 * sum(x)
  // 6 x 32: 12 integer and 12 float accumulators; nibbles need registers for
  // the halves of a line as well. Up to 8 rows of nibbles are one tile, 8 x 16, so
  // that weights are read once.
  static constexpr int kByteM = 6, kByteV = 2, kNibbleM = 4, kNibbleV = 2, kTallRows = 8, kFlatV = 1;
  // Zen 4 unpacks nibbles beside its dot products (353 against 351 GOPS, M 512);
  // where both compete for a port, many rows pay for expanding a panel once.
  static constexpr int64_t kExpandFrom = 64;
  // 24 accumulators, 4 columns of W and a row of x.
  static constexpr int kFloatM = 6, kFloatV = 4;

  static F ZeroF() { return _mm512_setzero_ps(); }
  static F SetF(float v) { return _mm512_set1_ps(v); }
  static F LoadF(const float* p) { return _mm512_loadu_ps(p); }
  static void StoreF(float* p, F v) { _mm512_storeu_ps(p, v); }
  static F AddF(F a, F b) { return _mm512_add_ps(a, b); }
  static F MulF(F a, F b) { return _mm512_mul_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F ToFloat(I v) { return _mm512_cvtepi32_ps(v); }
  static F LoadHalf(const uint8_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static I ZeroI() { return _mm512_setzero_si512(); }
  static I SetI(int32_t v) { return _mm512_set1_epi32(v); }
  static I LoadI(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static void StoreI(uint8_t* p, I v) { _mm512_storeu_si512(p, v); }
  static I LowNibbles(I v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
  static I HighNibbles(I v) { return _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15)); }
  // As an instruction and not as an intrinsic: gcc 12 copies every accumulator
  // around _mm512_dpbusd_epi32.
  static I DotNibbles(I acc, I u, I s) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u), "v"(s));
    return acc;
  }
  static I DotBytes(I acc, I u, I s) { return DotNibbles(acc, u, s); }
  static I WidenBytes(const uint8_t* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
  // Lane by lane a * b for 0 <= a < 2^15 and |b| < 2^15: the upper half of a is 0.
  static I MulLow16(I a, I b) { return _mm512_madd_epi16(a, b); }
  // 128 - zero, four copies a lane.
  static I ByteBias(const uint8_t* p) {
    return _mm512_sub_epi8(_mm512_set1_epi8(-128), _mm512_mullo_epi32(WidenBytes(p), _mm512_set1_epi32(0x01010101)));
  }
  static I AddBytes(I a, I b) { return _mm512_add_epi8(a, b); }
  // a | (b moved up by kUp bits & kMask) in every byte; what is left of kMask comes from the byte itself.
  template <int kUp, int kMask>
  static I AddBits(I a, I b) {
    const I moved = kUp >= 0 ? _mm512_slli_epi16(b, kUp >= 0 ? kUp : 0) : _mm512_srli_epi16(b, kUp < 0 ? -kUp : 0);
    return _mm512_ternarylogic_epi32(a, moved, _mm512_set1_epi8(kMask), 0xf8);
  }
};

using Lanes = __m512;
inline Lanes ZeroLanes() { return _mm512_setzero_ps(); }
inline Lanes LoadLanes(const float* p) { return _mm512_loadu_ps(p); }
inline Lanes LoadPartLanes(const float* p, int n) { return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1u), p); }
inline Lanes LoadHalfLanes(const uint8_t* p) { return Vec::LoadHalf(p); }
inline void StoreLanes(float* p, Lanes v) { _mm512_storeu_ps(p, v); }
inline Lanes FmaLanes(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }
// lane[j] += lane[j + 8], then lane[j] += lane[j + 4].
inline __m128 HalveTwice(Lanes v) {
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
}

#include "runtime/kernels/linear/cpu_panel.inc"
#include "runtime/kernels/linear/cpu_integer.inc"
#include "runtime/kernels/linear/cpu_float.inc"

}  // namespace

void LinearRunInt4Avx512Vnni(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) {
  RunInt4(a, begin, end, scratch);
}
void LinearRunInt5Avx512Vnni(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) {
  RunInt5(a, begin, end, scratch);
}
void LinearRunInt6Avx512Vnni(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) {
  RunInt6(a, begin, end, scratch);
}
void LinearRunInt8Avx512Vnni(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) {
  RunInt8(a, begin, end, scratch);
}
void LinearRunFloatAvx512Vnni(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) {
  RunFloat(a, begin, end, scratch);
}

}  // namespace hasten
