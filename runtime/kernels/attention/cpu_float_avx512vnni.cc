// Attention over fp16 and fp32 caches, sixteen floats at a time.
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/rows.h"
#include "runtime/kernels/simd_avx512.h"

#include "runtime/kernels/math.h"

namespace hasten {
namespace {

template <class V>
V LoadKv(const float* p) {
  return Load<V>(p);
}
template <class V>
V LoadKv(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

constexpr int kFloatRows = 6;

#include "runtime/kernels/attention/cpu_common.inc"
#include "runtime/kernels/attention/cpu_tile.inc"
#include "runtime/kernels/attention/cpu_float.inc"

}  // namespace

const Kernel<AttentionArgs> kAttentionF32Avx512 = {"attention_f32_avx512vnni", Isa::kAvx512Vnni, AcceptsF32, AttentionTiles,
                                               ScratchOf, RunTiles<F16, FloatKv<F16, float>>};
const Kernel<AttentionArgs> kAttentionF16Avx512 = {"attention_f16_avx512vnni", Isa::kAvx512Vnni, AcceptsF16, AttentionTiles,
                                               ScratchOf, RunTiles<F16, FloatKv<F16, uint16_t>>};

}  // namespace hasten
