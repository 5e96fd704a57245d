// What the INT8 attention computes beside its integer dot products, for V = float or
// a vector of rows or keys (docs/numerics.md, "Attention", INT8 cache). Probabilities
// are powers of two relative to a whole number e near the block's largest score, so
// that changing the reference multiplies by a power of two, which is exact.
#pragma once

#include "runtime/kernels/attention/quant.h"
#include "runtime/kernels/math.h"

namespace hasten {

inline constexpr float kLog2E = 0x1.715476p+0f;

// The reference of a block: `top` is its largest score before `factor`, which makes
// base-2 exponents of scores. -inf where there is no score. Scores beyond 2^22 are a
// broken model's: NaN.
template <class V>
HST_MATH V BlockReference(V top, V factor) {
  const V x = top * factor;
  const V e = Select(Lt(Abs(x), V(4194304.0f)), (x + V(12582912.0f)) - V(12582912.0f), V(kNaN));
  return Select(Eq(top, V(-kInf)), top, e);
}

// Two sums with references m and e become one with the larger reference.
template <class V>
struct Joined {
  V reference, old, fresh;  // sum = fma(sum of e, fresh, sum of m * old)
};
template <class V>
HST_MATH Joined<V> Join(V m, V e) {
  const V top = Max(m, e);
  return {top, PowerOfTwo(m - top), PowerOfTwo(e - top)};
}

// The quantization of a block's weights to [0, 255]: u = rint(w * up), w = u * down.
// `top` is the largest weight; an infinite one is as broken as a NaN.
template <class V>
struct WeightScale {
  V up, down;
};
template <class V>
HST_MATH WeightScale<V> ScaleOfWeights(V top) {
  const auto tiny = Lt(top, V(0x1p-100f));
  const V down = Select(Lt(top, V(kInf)), top * V(1.0f / 255.0f), V(kNaN));
  return {Select(tiny, V(0.0f), V(255.0f) / top), Select(tiny, V(0.0f), down)};
}

// The row's result; never -0, so that it does not matter whether a block that the row
// does not see added zeros.
template <class V>
HST_MATH V Normalized(V sum, V inverse) {
  return Fma(sum, inverse, V(0.0f));
}

}  // namespace hasten
