// rope: sixteen floats at a time.
#include "runtime/kernels/rope/rows.h"
#include "runtime/kernels/simd_avx512.h"

namespace hasten {
namespace {

HST_MATH F16 SwapPairs(F16 a) { return _mm512_permute_ps(a.v, 0xb1); }

#include "runtime/kernels/rope/cpu_impl.inc"

}  // namespace

const Kernel<RopeArgs> kRopeAvx512 = {"rope_avx512vnni", Isa::kAvx512Vnni, nullptr, RopeTiles, RopeScratch, Run<F16>};

}  // namespace hasten
