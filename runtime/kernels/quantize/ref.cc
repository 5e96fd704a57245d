// quantize, the specification. For a row x[K] and each group of `ga` elements
// (the last is shorter when ga does not divide K):
//   absmax = the largest |x|, taken on the bit patterns without the sign, so
//            that a NaN counts as larger than everything
//   absmax is NaN or infinite:  s = quiet NaN (0x7fc00000), q = 0
//   absmax < 2^-100:            s = 0, q = 0
//   otherwise:                  s = absmax / 127 (IEEE), q = rint(x / s) (IEEE
//                               division, nearest even), clamped to +-127
//   sum = the sum of the group's q
// With a residual, the rest r = fma(-q, s, x), r = x where q is 0 for the whole group
// by the first two cases, is the row behind it, quantized by the same rules.
// q is zero from K to q_stride, scale and sum are zero from G to g_stride.
// A group that is not finite thus poisons every output that it enters, on every
// instruction set alike, and no conversion of a NaN to an integer takes place.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/kernels/quantize/rows.h"

namespace hasten {
namespace {

void QuantizeGroup(const float* x, int64_t n, int8_t* q, float* scale, int32_t* sum, float* rest) {
  uint32_t top = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu;
    if (bits > top) top = bits;
  }
  const float absmax = std::bit_cast<float>(top);
  *scale = 0.0f;
  *sum = 0;
  if (top >= 0x7f800000u) *scale = std::numeric_limits<float>::quiet_NaN();
  if (top >= 0x7f800000u || absmax < 0x1p-100f) {
    std::memset(q, 0, static_cast<size_t>(n));
    if (rest) std::memcpy(rest, x, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  const float s = absmax / 127.0f;
  *scale = s;
  for (int64_t i = 0; i < n; ++i) {
    const float r = std::rint(x[i] / s);
    const float c = r > 127.0f ? 127.0f : r < -127.0f ? -127.0f : r;
    q[i] = static_cast<int8_t>(c);
    *sum += q[i];
    if (rest) rest[i] = std::fma(-static_cast<float>(q[i]), s, x[i]);
  }
}

// One stored row, and what it leaves to `rest` unless that is null.
void QuantizeRow(const QuantizeArgs& a, const float* x, int64_t row, float* rest) {
  int8_t* q = a.out.q + row * a.out.q_stride;
  float* scale = a.out.scale + row * a.out.g_stride;
  int32_t* sum = a.out.sum + row * a.out.g_stride;
  int64_t g = 0;
  for (int64_t i = 0; i < a.cols; i += a.ga, ++g)
    QuantizeGroup(x + i, a.cols - i < a.ga ? a.cols - i : a.ga, q + i, scale + g, sum + g, rest ? rest + i : nullptr);
  std::memset(q + a.cols, 0, static_cast<size_t>(a.out.q_stride - a.cols));
  std::memset(scale + g, 0, static_cast<size_t>(a.out.g_stride - g) * 4);
  std::memset(sum + g, 0, static_cast<size_t>(a.out.g_stride - g) * 4);
}

}  // namespace

void QuantizeRunScalar(const QuantizeArgs& a, int64_t begin, int64_t end, std::byte* scratch) {
  float* rest = a.out.parts > 1 ? reinterpret_cast<float*>(scratch) : nullptr;
  for (int64_t m = begin; m < end; ++m) {
    QuantizeRow(a, a.x + m * a.x_stride, m * a.out.parts, rest);
    if (rest) QuantizeRow(a, rest, m * a.out.parts + 1, nullptr);
  }
}

}  // namespace hasten
