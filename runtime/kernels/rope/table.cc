// The rope kernels, gathered from kernels.def, and the cosine and sine table.
#include "runtime/kernels/rope/contract.h"
#include "runtime/kernels/rope/rows.h"
#include "runtime/kernels/trig.h"

namespace hasten {

void BuildRopeTable(std::span<const float> inv_freq, float scale, int64_t positions, std::span<float> out, int64_t first) {
  size_t at = 0;
  for (int64_t p = first; p < positions; ++p) {
    for (const float f : inv_freq) {
      // Exact: an integer below 2^29 times 24 bits.
      const double angle = static_cast<double>(p) * static_cast<double>(f);
      double sine, cosine;
      SinCos(angle, &sine, &cosine);
      out[at++] = static_cast<float>(cosine) * scale;
      out[at++] = static_cast<float>(sine) * scale;
    }
  }
}

int64_t RopeTiles(const RopeArgs& a) { return a.rows; }
size_t RopeScratch(const RopeArgs& a) {
  return (2 * static_cast<size_t>(a.rotary_dim) * sizeof(float) + 63) / 64 * 64;
}

std::span<const Kernel<RopeArgs>> RopeKernels() {
  static const Kernel<RopeArgs> table[] = {
#define HST_ROPE(row) row,
#include "runtime/kernels/rope/kernels.def"
  };
  return table;
}

}  // namespace hasten
