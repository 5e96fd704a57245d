// Attention over fp16 and fp32 caches, eight floats at a time.
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/rows.h"
#include "runtime/kernels/simd_avx2.h"

#include "runtime/kernels/math.h"

namespace hasten {
namespace {

template <class V>
V LoadKv(const float* p) {
  return Load<V>(p);
}
template <class V>
V LoadKv(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

constexpr int kFloatRows = 3;

#include "runtime/kernels/attention/cpu_common.inc"
#include "runtime/kernels/attention/cpu_tile.inc"
#include "runtime/kernels/attention/cpu_float.inc"

}  // namespace

const Kernel<AttentionArgs> kAttentionF32Avx2 = {"attention_f32_avx2", Isa::kAvx2, AcceptsF32, AttentionTiles,
                                               ScratchOf, RunTiles<F8, FloatKv<F8, float>>};
const Kernel<AttentionArgs> kAttentionF16Avx2 = {"attention_f16_avx2", Isa::kAvx2, AcceptsF16, AttentionTiles,
                                               ScratchOf, RunTiles<F8, FloatKv<F8, uint16_t>>};

}  // namespace hasten
