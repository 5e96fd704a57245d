// norm: eight floats at a time.
#include "runtime/kernels/norm/rows.h"
#include "runtime/kernels/simd_avx2.h"

namespace hasten {
namespace {

#include "runtime/kernels/norm/cpu_impl.inc"

}  // namespace

const Kernel<NormArgs> kNormAvx2 = {"norm_avx2", Isa::kAvx2, nullptr, NormTiles, NormScratch, Run<F8>};

}  // namespace hasten
