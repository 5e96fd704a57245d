// linear with AVX2 alone. There is no 32-bit dot product of bytes: unsigned
// codes sum in 16 bits as long as they fit (int4: 8 * 2 * 15 * 127), int8 goes through
// |code| and sign-adjusted activations, whose pairs fit 16 bits (2 * 128 * 127).
#include <utility>

#include "runtime/kernels/linear/plan.h"
#include "runtime/kernels/linear/rows.h"
#include "runtime/kernels/linear/vec_avx2.h"

namespace hasten {
namespace {

struct Vec : VecAvx2 {
  static constexpr bool kPairSums = true;
  static constexpr int32_t kByteOffset = 0;  // DotBytes takes the 128 off itself
  // A single row takes all four vectors of a panel: whole lines come from memory as
  // they are read.
  static constexpr int kByteM = 4, kByteV = 1, kNibbleM = 4, kNibbleV = 1, kTallRows = 0, kFlatV = 4;
  static constexpr int64_t kExpandFrom = 0;  // bytes cost twice as much as nibbles here

  static I AddPairs(I acc, I u, I s) { return _mm256_add_epi16(acc, _mm256_maddubs_epi16(u, s)); }
  static I Widen(I acc, I pairs) { return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))); }
  static I DotNibbles(I acc, I u, I s) { return Widen(acc, _mm256_maddubs_epi16(u, s)); }
  static I DotBytes(I acc, I u, I s) {
    const I w = _mm256_xor_si256(u, _mm256_set1_epi8(-128));
    return Widen(acc, _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(s, w)));
  }
};

struct Lanes {
  __m256 lo, hi;
};
inline Lanes ZeroLanes() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Lanes LoadLanes(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline Lanes LoadPartLanes(const float* p, int n) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i lo = _mm256_cmpgt_epi32(_mm256_set1_epi32(n), index);
  const __m256i hi = _mm256_cmpgt_epi32(_mm256_set1_epi32(n - 8), index);
  return {_mm256_maskload_ps(p, lo), n > 8 ? _mm256_maskload_ps(p + 8, hi) : _mm256_setzero_ps()};
}
inline Lanes LoadHalfLanes(const uint8_t* p) { return {Vec::LoadHalf(p), Vec::LoadHalf(p + 16)}; }
inline void StoreLanes(float* p, Lanes v) {
  _mm256_storeu_ps(p, v.lo);
  _mm256_storeu_ps(p + 8, v.hi);
}
inline Lanes FmaLanes(Lanes a, Lanes b, Lanes c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
// lane[j] += lane[j + 8], then lane[j] += lane[j + 4].
inline __m128 HalveTwice(Lanes v) {
  const __m256 h = _mm256_add_ps(v.lo, v.hi);
  return _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
}

#include "runtime/kernels/linear/cpu_panel.inc"
#include "runtime/kernels/linear/cpu_integer.inc"
#include "runtime/kernels/linear/cpu_float.inc"

}  // namespace

void LinearRunInt4Avx2(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunInt4(a, begin, end, scratch); }
void LinearRunInt5Avx2(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunInt5(a, begin, end, scratch); }
void LinearRunInt6Avx2(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunInt6(a, begin, end, scratch); }
void LinearRunInt8Avx2(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunInt8(a, begin, end, scratch); }
void LinearRunFloatAvx2(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) { RunFloat(a, begin, end, scratch); }

}  // namespace hasten
