// INT8 attention with AVX-512 VNNI: 16 keys or 16 value columns a register, four
// products and an addition a lane (VPDPBUSD, unsigned x signed; all exact).
#include "runtime/kernels/attention/i8_numerics.h"
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/rows.h"
#include "runtime/kernels/attention/store_avx512.h"

namespace hasten {
namespace {

using Prob = uint8_t;

HST_MATH void StoreProbs(Prob* p, F16 v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v.v)));
}
// acc += u8 . s8, four products a lane. As an instruction and not as an intrinsic:
// gcc 12 copies every accumulator around _mm512_dpbusd_epi32 (a third slower).
HST_MATH void DotAdd(__m512i& acc, __m512i u8, __m512i s8) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u8), "v"(s8));
}
// The keys' bytes carry +128: -128 times the sum of q takes it away.
HST_MATH int32_t QueryOffset(const int8_t* q, int64_t n) {
  __m512i sum = _mm512_setzero_si512();
  for (int64_t i = 0; i < n; i += 64) DotAdd(sum, _mm512_set1_epi8(1), _mm512_loadu_si512(q + i));
  return -128 * _mm512_reduce_add_epi32(sum);
}
HST_MATH __m512i Broadcast4(const void* p) {
  int32_t x;
  memcpy(&x, p, sizeof x);
  return _mm512_set1_epi32(x);
}

#include "runtime/kernels/attention/cpu_quant.inc"
#include "runtime/kernels/attention/cpu_common.inc"
#include "runtime/kernels/attention/cpu_i8_rows.inc"

// 6 rows x 64 keys are 24 accumulators; 4 registers of keys, 1 of the query.
constexpr int kScoreRows = 6, kValueRows = 6;

template <int N>
HST_KERNEL_LOOP void ScorePage(const I8Rows& r, int64_t i, const PageHead<const std::byte>& page, const std::byte* next) {
  const int8_t* q8 = r.q8 + i * r.q_stride;
  __m512i acc[N][4];
  HST_UNROLL
  for (int n = 0; n < N; ++n)
    HST_UNROLL
    for (int j = 0; j < 4; ++j) acc[n][j] = _mm512_set1_epi32(r.offset[i + n]);
  const std::byte* k = page.k;
  for (int64_t d = 0; d < r.head_dim4; d += 4, k += 256) {
    __m512i keys[4];
    HST_UNROLL
    for (int j = 0; j < 4; ++j) {
      keys[j] = _mm512_loadu_si512(k + 64 * j);
      if (next) __builtin_prefetch(next + (k - page.k) + 64 * j, 0, 2);
    }
    HST_UNROLL
    for (int n = 0; n < N; ++n) {
      const __m512i q = Broadcast4(q8 + n * r.q_stride + d);
      HST_UNROLL
      for (int j = 0; j < 4; ++j) DotAdd(acc[n][j], keys[j], q);
    }
  }
  const float* k_scale = reinterpret_cast<const float*>(page.scales);
  HST_UNROLL
  for (int j = 0; j < 4; ++j) {
    const F16 sk = Load<F16>(k_scale + 16 * j);
    HST_UNROLL
    for (int n = 0; n < N; ++n) Store(r.y + (i + n) * kBlockKeys + 16 * j, F16(_mm512_cvtepi32_ps(acc[n][j])) * sk);
  }
}

// N rows x C * 16 columns from column `col` on.
template <int N, int C>
HST_KERNEL_LOOP void ValueColumns(const I8Rows& r, int64_t i, const std::byte* v, int64_t col, const std::byte* next) {
  __m512i acc[N][C];
  HST_UNROLL
  for (int n = 0; n < N; ++n)
    HST_UNROLL
    for (int c = 0; c < C; ++c) acc[n][c] = _mm512_setzero_si512();
  for (int g = 0; g < 16; ++g) {
    __m512i values[C];
    HST_UNROLL
    for (int c = 0; c < C; ++c) {
      const int64_t at = (g * r.v_cols + col + 16 * c) * 4;
      values[c] = _mm512_loadu_si512(v + at);
      if (next) __builtin_prefetch(next + at, 0, 2);
    }
    HST_UNROLL
    for (int n = 0; n < N; ++n) {
      const __m512i u = Broadcast4(r.u + (i + n) * kBlockKeys + 4 * g);
      HST_UNROLL
      for (int c = 0; c < C; ++c) DotAdd(acc[n][c], u, values[c]);
    }
  }
  HST_UNROLL
  for (int n = 0; n < N; ++n) {
    const F16 down = F16(r.down[i + n]), old = F16(r.old[i + n]);
    HST_UNROLL
    for (int c = 0; c < C; ++c) {
      float* o = r.values + (i + n) * r.v_cols + col + 16 * c;
      Store(o, Fma(F16(_mm512_cvtepi32_ps(acc[n][c])), down, Load<F16>(o) * old));
    }
  }
}

template <int N>
void ValuePage(const I8Rows& r, int64_t i, const PageHead<const std::byte>& page, const std::byte* next) {
  int64_t col = 0;
  for (; col + 64 <= r.v_cols; col += 64) ValueColumns<N, 4>(r, i, page.v, col, next);
  for (; col + 32 <= r.v_cols; col += 32) ValueColumns<N, 2>(r, i, page.v, col, next);
  if (col < r.v_cols) ValueColumns<N, 1>(r, i, page.v, col, next);
}

#include "runtime/kernels/attention/cpu_i8.inc"

bool Accepts(const AttentionArgs& a) { return a.shape.kv == KvType::kI8; }

}  // namespace

const Kernel<AttentionArgs> kAttentionI8Avx512 = {"attention_i8_avx512vnni", Isa::kAvx512Vnni, Accepts, AttentionParts,
                                                  ScratchOf<F16>, RunTiles<F16>};

}  // namespace hasten
