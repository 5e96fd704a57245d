// Elementwise kernels: one float at a time, the definition.
#include "runtime/kernels/elementwise/functions.h"
#include "runtime/kernels/elementwise/rows.h"
#include "runtime/kernels/simd_scalar.h"

namespace hasten {
namespace {

#include "runtime/kernels/elementwise/cpu_impl.inc"

}  // namespace

const Kernel<UnaryArgs> kUnaryRef = {"unary_scalar", Isa::kScalar, nullptr, UnaryTiles, NoScratch, RunUnary<float>};
const Kernel<BinaryArgs> kBinaryRef = {"binary_scalar", Isa::kScalar, nullptr, BinaryTiles, NoScratch, RunBinary<float>};
const Kernel<GatedArgs> kGatedRef = {"gated_scalar", Isa::kScalar, nullptr, GatedTiles, NoScratch, RunGated<float>};

}  // namespace hasten
