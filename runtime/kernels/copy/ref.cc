// copy, the specification and the only row: out[r] = x[from[r]], or x[r] without a list.
// A tile is some rows, so that the few of a decoding step stay on one thread.
#include <algorithm>
#include <cstring>

#include "runtime/kernels/copy/contract.h"

namespace hasten {
namespace {

constexpr int64_t kTileRows = 16;

int64_t Tiles(const CopyArgs& a) { return a.cols > 0 ? (a.rows + kTileRows - 1) / kTileRows : 0; }
size_t Scratch(const CopyArgs&) { return 0; }

void CopyRunScalar(const CopyArgs& a, int64_t begin, int64_t end, std::byte*) {
  for (int64_t r = begin * kTileRows; r < std::min(end * kTileRows, a.rows); ++r)
    std::memcpy(a.out + r * a.out_stride, a.x + (a.from ? a.from[r] : r) * a.x_stride, static_cast<size_t>(a.cols) * sizeof(float));
}

constexpr Kernel<CopyArgs> kTable[] = {
#define HST_KERNEL(name, isa, run) {name, isa, nullptr, &Tiles, &Scratch, &run},
#include "runtime/kernels/copy/kernels.def"
#undef HST_KERNEL
};

}  // namespace

std::span<const Kernel<CopyArgs>> CopyKernels() { return kTable; }

}  // namespace hasten
