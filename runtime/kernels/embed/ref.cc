// embed, the specification and the only row: out[r] = UnpackRow(ids[r] + offset), that
// is scale * (code - zero) with one rounding, or the stored float widened.
#include "runtime/kernels/embed/contract.h"

namespace hasten {
namespace {

int64_t Tiles(const EmbedArgs& a) { return a.cols > 0 ? a.rows : 0; }
size_t Scratch(const EmbedArgs&) { return 0; }

void EmbedRunScalar(const EmbedArgs& a, int64_t begin, int64_t end, std::byte*) {
  for (int64_t r = begin; r < end; ++r)
    UnpackRow(a.scheme, a.vocab, a.cols, a.table, int64_t{a.ids[r]} + a.offset, a.out + r * a.out_stride);
}

constexpr Kernel<EmbedArgs> kTable[] = {
#define HST_KERNEL(name, isa, run) {name, isa, nullptr, &Tiles, &Scratch, &run},
#include "runtime/kernels/embed/kernels.def"
#undef HST_KERNEL
};

}  // namespace

std::span<const Kernel<EmbedArgs>> EmbedKernels() { return kTable; }

}  // namespace hasten
