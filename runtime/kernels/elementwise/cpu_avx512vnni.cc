// Elementwise kernels: sixteen floats at a time.
#include "runtime/kernels/elementwise/functions.h"
#include "runtime/kernels/elementwise/rows.h"
#include "runtime/kernels/simd_avx512.h"

namespace hasten {
namespace {

#include "runtime/kernels/elementwise/cpu_impl.inc"

}  // namespace

const Kernel<UnaryArgs> kUnaryAvx512 = {"unary_avx512vnni", Isa::kAvx512Vnni, nullptr, UnaryTiles, NoScratch, RunUnary<F16>};
const Kernel<BinaryArgs> kBinaryAvx512 = {"binary_avx512vnni", Isa::kAvx512Vnni, nullptr, BinaryTiles, NoScratch, RunBinary<F16>};
const Kernel<GatedArgs> kGatedAvx512 = {"gated_avx512vnni", Isa::kAvx512Vnni, nullptr, GatedTiles, NoScratch, RunGated<F16>};

}  // namespace hasten
