// rope: eight floats at a time.
#include "runtime/kernels/rope/rows.h"
#include "runtime/kernels/simd_avx2.h"

namespace hasten {
namespace {

HST_MATH F8 SwapPairs(F8 a) { return _mm256_permute_ps(a.v, 0xb1); }

#include "runtime/kernels/rope/cpu_impl.inc"

}  // namespace

const Kernel<RopeArgs> kRopeAvx2 = {"rope_avx2", Isa::kAvx2, nullptr, RopeTiles, RopeScratch, Run<F8>};

}  // namespace hasten
