// The definition of rope: for pair i of a head, with {c, s} = table[position][i]
// and (x0, x1) the pair's two values,
//   y0 = fma(x0, c, -(x1 * s))      y1 = fma(x1, c, x0 * s)
// and what lies beyond rotary_dim is copied.
#include "runtime/kernels/rope/rows.h"
#include "runtime/kernels/simd_scalar.h"

namespace hasten {
namespace {

void RopeHead(const RopeArgs& a, const float* cs, const float* x, float* out) {
  const int64_t half = a.rotary_dim / 2;
  for (int64_t i = 0; i < half; ++i) {
    const int64_t i0 = a.interleaved ? 2 * i : i, i1 = a.interleaved ? 2 * i + 1 : i + half;
    const float x0 = x[i0], x1 = x[i1], c = cs[2 * i], s = cs[2 * i + 1];
    out[i0] = Fma(x0, c, -(x1 * s));
    out[i1] = Fma(x1, c, x0 * s);
  }
  for (int64_t i = a.rotary_dim; i < a.head_dim; ++i) out[i] = x[i];
}

void Run(const RopeArgs& a, int64_t begin, int64_t end, std::byte*) {
  for (int64_t row = begin; row < end; ++row)
    for (int64_t h = 0; h < a.heads; ++h)
      RopeHead(a, a.table + a.positions[row] * a.rotary_dim, a.x + row * a.x_stride + h * a.head_dim,
               a.out + row * a.out_stride + h * a.head_dim);
}

}  // namespace

const Kernel<RopeArgs> kRopeRef = {"rope_scalar", Isa::kScalar, nullptr, RopeTiles, RopeScratch, Run};

}  // namespace hasten
