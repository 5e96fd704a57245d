// Elementwise kernels: eight floats at a time.
#include "runtime/kernels/elementwise/functions.h"
#include "runtime/kernels/elementwise/rows.h"
#include "runtime/kernels/simd_avx2.h"

namespace hasten {
namespace {

#include "runtime/kernels/elementwise/cpu_impl.inc"

}  // namespace

const Kernel<UnaryArgs> kUnaryAvx2 = {"unary_avx2", Isa::kAvx2, nullptr, UnaryTiles, NoScratch, RunUnary<F8>};
const Kernel<BinaryArgs> kBinaryAvx2 = {"binary_avx2", Isa::kAvx2, nullptr, BinaryTiles, NoScratch, RunBinary<F8>};
const Kernel<GatedArgs> kGatedAvx2 = {"gated_avx2", Isa::kAvx2, nullptr, GatedTiles, NoScratch, RunGated<F8>};

}  // namespace hasten
