// norm: sixteen floats at a time.
#include "runtime/kernels/norm/rows.h"
#include "runtime/kernels/simd_avx512.h"

namespace hasten {
namespace {

#include "runtime/kernels/norm/cpu_impl.inc"

}  // namespace

const Kernel<NormArgs> kNormAvx512 = {"norm_avx512vnni", Isa::kAvx512Vnni, nullptr, NormTiles, NormScratch, Run<F16>};

}  // namespace hasten
