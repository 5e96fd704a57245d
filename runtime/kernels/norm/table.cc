// The norm table, gathered from kernels.def.
#include "runtime/kernels/norm/contract.h"
#include "runtime/kernels/norm/rows.h"

namespace hasten {

int64_t NormTiles(const NormArgs& a) { return a.rows; }
size_t NormScratch(const NormArgs&) { return 0; }

std::span<const Kernel<NormArgs>> NormKernels() {
  static const Kernel<NormArgs> table[] = {
#define HST_NORM(row) row,
#include "runtime/kernels/norm/kernels.def"
  };
  return table;
}

}  // namespace hasten
