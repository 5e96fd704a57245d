// INT8 attention with AVX2: 8 keys a register. There is no exact unsigned x
// signed dot product here, so scores use |k| x (q with k's sign), which cannot
// saturate below 2 * 127 * 127, and values are widened to 16 bits.
#include "runtime/kernels/attention/i8_numerics.h"
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/rows.h"
#include "runtime/kernels/attention/store_avx2.h"

namespace hasten {
namespace {

using Prob = uint16_t;

HST_MATH void StoreProbs(Prob* p, F8 v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), ToI16(v)); }
HST_MATH int32_t QueryOffset(const int8_t*, int64_t) { return 0; }  // LoadKeys takes the offset away
HST_MATH __m256i LoadKeys(const std::byte* k) {  // u8 with offset 128 to s8
  return _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(k)), _mm256_set1_epi8(-128));
}

#include "runtime/kernels/attention/cpu_quant.inc"
#include "runtime/kernels/attention/cpu_common.inc"
#include "runtime/kernels/attention/cpu_i8_rows.inc"

constexpr int kScoreRows = 3, kValueRows = 2;

template <int N>
HST_KERNEL_LOOP void ScorePage(const I8Rows& r, int64_t i, const PageHead<const std::byte>& page, const std::byte* next) {
  const int8_t* q8 = r.q8 + i * r.q_stride;
  const float* k_scale = reinterpret_cast<const float*>(page.scales);
  const __m256i ones = _mm256_set1_epi16(1);
  HST_UNROLL
  for (int j = 0; j < 64; j += 16) {
    __m256i acc[N][2];
    HST_UNROLL
    for (auto& row : acc) row[0] = row[1] = _mm256_setzero_si256();
    for (int64_t d = 0; d < r.head_dim4; d += 4) {
      const std::byte* k = page.k + d * 64 + j * 4;
      const __m256i keys[2] = {LoadKeys(k), LoadKeys(k + 32)};
      if (next) __builtin_prefetch(next + (k - page.k), 0, 2);
      HST_UNROLL
      for (int n = 0; n < N; ++n) {
        int32_t four;
        memcpy(&four, q8 + n * r.q_stride + d, sizeof four);
        const __m256i q = _mm256_set1_epi32(four);
        HST_UNROLL
        for (int h = 0; h < 2; ++h) {
          const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(keys[h]), _mm256_sign_epi8(q, keys[h]));
          acc[n][h] = _mm256_add_epi32(acc[n][h], _mm256_madd_epi16(pairs, ones));
        }
      }
    }
    HST_UNROLL
    for (int n = 0; n < N; ++n)
      HST_UNROLL
      for (int h = 0; h < 2; ++h)
        Store(r.y + (i + n) * kBlockKeys + j + 8 * h, F8(_mm256_cvtepi32_ps(acc[n][h])) * Load<F8>(k_scale + j + 8 * h));
  }
}

// N rows x 16 columns: an accumulator holds 4 columns, two partial sums each.
template <int N>
HST_KERNEL_LOOP void ValueColumns(const I8Rows& r, int64_t i, const std::byte* v, int64_t col, const std::byte* next) {
  __m256i acc[N][4];
  HST_UNROLL
  for (auto& row : acc)
    HST_UNROLL
    for (auto& a : row) a = _mm256_setzero_si256();
  for (int g = 0; g < 16; ++g) {
    if (next) __builtin_prefetch(next + (g * r.v_cols + col) * 4, 0, 2);
    __m256i u[N];
    HST_UNROLL
    for (int n = 0; n < N; ++n) {
      int64_t four;
      memcpy(&four, r.u + (i + n) * kBlockKeys + 4 * g, sizeof four);
      u[n] = _mm256_set1_epi64x(four);
    }
    HST_UNROLL
    for (int c = 0; c < 4; ++c) {
      const __m256i values = _mm256_cvtepi8_epi16(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(v + (g * r.v_cols + col + 4 * c) * 4)));
      HST_UNROLL
      for (int n = 0; n < N; ++n) acc[n][c] = _mm256_add_epi32(acc[n][c], _mm256_madd_epi16(values, u[n]));
    }
  }
  HST_UNROLL
  for (int n = 0; n < N; ++n) {
    const F8 down = F8(r.down[i + n]), old = F8(r.old[i + n]);
    HST_UNROLL
    for (int c = 0; c < 2; ++c) {
      const __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(acc[n][2 * c], acc[n][2 * c + 1]), 0xd8);
      float* o = r.values + (i + n) * r.v_cols + col + 8 * c;
      Store(o, Fma(F8(_mm256_cvtepi32_ps(sums)), down, Load<F8>(o) * old));
    }
  }
}

template <int N>
void ValuePage(const I8Rows& r, int64_t i, const PageHead<const std::byte>& page, const std::byte* next) {
  for (int64_t col = 0; col < r.v_cols; col += 16) ValueColumns<N>(r, i, page.v, col, next);
}

#include "runtime/kernels/attention/cpu_i8.inc"

bool Accepts(const AttentionArgs& a) { return a.shape.kv == KvType::kI8; }

}  // namespace

const Kernel<AttentionArgs> kAttentionI8Avx2 = {"attention_i8_avx2", Isa::kAvx2, Accepts, AttentionParts,
                                                ScratchOf<F8>, RunTiles<F8>};

}  // namespace hasten
