// quantize on a device, for groups of 32 to 512 of a row: a lane takes lines of 4
// neighbours, which become one word of codes; the lanes of a group settle its scale among
// themselves, and what is left for the residual stays in registers.
#pragma once

#include "runtime/kernels/cuda/simt.h"
#include "runtime/kernels/quantize/contract.h"

namespace hasten::cuda {

inline constexpr int kQuantizeLines = 4;         // of a warp
inline constexpr int kQuantizeLine = 4 * kWarp;  // values of a line of a warp
inline constexpr int kQuantizeSpan = kQuantizeLines * kQuantizeLine;

// x[i, i + 4), zeros from n on. A view's columns may begin anywhere, so that only
// aligned rows are read 16 bytes at a time; it is the same for all threads.
HST_DEVICE float4 LoadFour(const float* x, int64_t i, int64_t n) {
  if (i + 4 <= n && reinterpret_cast<uintptr_t>(x) % 16 == 0) return *reinterpret_cast<const float4*>(x + i);
  return {i < n ? x[i] : 0.0f, i + 1 < n ? x[i + 1] : 0.0f, i + 2 < n ? x[i + 2] : 0.0f, i + 3 < n ? x[i + 3] : 0.0f};
}
// The largest magnitude as bits, by which a NaN is larger than everything.
HST_DEVICE uint32_t TopOf(float4 x, uint32_t top) {
  const uint32_t m[4] = {Bits(x.x) & 0x7fffffffu, Bits(x.y) & 0x7fffffffu, Bits(x.z) & 0x7fffffffu, Bits(x.w) & 0x7fffffffu};
  HST_DEVICE_UNROLL
  for (int j = 0; j < 4; ++j) top = m[j] > top ? m[j] : top;
  return top;
}

// What a group's largest magnitude makes of it: its scale, and whether it has codes.
struct GroupScale {
  float scale;
  bool coded;
};
HST_DEVICE GroupScale ScaleOfTop(uint32_t top) {
  if (top >= 0x7f800000u) return {kNaN, false};
  if (top < Bits(0x1p-100f)) return {0.0f, false};
  return {FromBits<float>(top) / 127.0f, true};
}
HST_DEVICE int32_t CodeOf(float x, GroupScale g) {
  if (!g.coded) return 0;
  const int32_t q = NearestInteger(x / g.scale);
  return q > 127 ? 127 : q < -127 ? -127 : q;
}
HST_DEVICE float RestOf(float x, int32_t q, GroupScale g) { return g.coded ? Fma(-static_cast<float>(q), g.scale, x) : x; }

// Four codes as a word and their sum; `x` becomes what they leave.
struct FourCodes {
  uint32_t word;
  int32_t sum;
};
HST_DEVICE FourCodes CodeFour(float4& x, GroupScale g) {
  const int32_t q[4] = {CodeOf(x.x, g), CodeOf(x.y, g), CodeOf(x.z, g), CodeOf(x.w, g)};
  x = {RestOf(x.x, q[0], g), RestOf(x.y, q[1], g), RestOf(x.z, q[2], g), RestOf(x.w, q[3], g)};
  return {(q[0] & 255u) | (q[1] & 255u) << 8 | (q[2] & 255u) << 16 | static_cast<uint32_t>(q[3]) << 24, q[0] + q[1] + q[2] + q[3]};
}

// Scales and sums behind the last group's, which are zero.
HST_DEVICE void ZeroGroups(const QuantizedRows& out, int64_t row, int64_t groups, int threads) {
  for (int64_t g = groups + threadIdx.x; g < out.g_stride; g += threads) out.scale[row * out.g_stride + g] = 0.0f, out.sum[row * out.g_stride + g] = 0;
}

// One stored row of this warp's values from column `begin` on, which become what it leaves;
// of columns before `end`, which are padding from a.cols on.
template <int kGroup, int kCount>
HST_DEVICE void QuantizeSpan(const QuantizeArgs& a, int64_t row, int64_t begin, int64_t end, float4 (&x)[kCount]) {
  constexpr int kLines = kGroup > kQuantizeLine ? kGroup / kQuantizeLine : 1;   // of a group
  constexpr int kLanes = kGroup > kQuantizeLine ? kWarp : kGroup / 4;
  static_assert(kCount % kLines == 0, "groups lie within a warp's values");
  const int lane = threadIdx.x % kWarp;
  HST_DEVICE_UNROLL
  for (int first = 0; first < kCount; first += kLines) {
    uint32_t top = 0;
    HST_DEVICE_UNROLL
    for (int j = 0; j < kLines; ++j) top = TopOf(x[first + j], top);
    HST_DEVICE_UNROLL
    for (int step = kLanes / 2; step >= 1; step /= 2) {
      const uint32_t other = __shfl_xor_sync(kFullMask, top, step);
      top = other > top ? other : top;
    }
    const GroupScale scale = ScaleOfTop(top);
    int32_t sum = 0;
    HST_DEVICE_UNROLL
    for (int j = 0; j < kLines; ++j) {
      const int64_t i = begin + (first + j) * kQuantizeLine + lane * 4;
      const FourCodes codes = CodeFour(x[first + j], scale);
      if (i < end) *reinterpret_cast<uint32_t*>(a.out.q + row * a.out.q_stride + i) = codes.word;
      sum += codes.sum;
    }
    HST_DEVICE_UNROLL
    for (int step = kLanes / 2; step >= 1; step /= 2) sum += __shfl_xor_sync(kFullMask, sum, step);
    const int64_t i = begin + first * kQuantizeLine + lane * 4;
    if (lane % kLanes == 0 && i < end && i < a.cols) {
      const int64_t at = row * a.out.g_stride + i / kGroup;
      a.out.scale[at] = scale.scale, a.out.sum[at] = sum;
    }
  }
}

// The same for every stored row of a row, with a group of 32, 64 or 128.
template <int kCount>
HST_DEVICE void QuantizeParts(const QuantizeArgs& a, int64_t row, int64_t begin, int64_t end, float4 (&x)[kCount]) {
  for (int64_t part = 0; part < a.out.parts; ++part) {
    const int64_t stored = row * a.out.parts + part;
    if (a.ga == 32) QuantizeSpan<32>(a, stored, begin, end, x);
    else if (a.ga == 64) QuantizeSpan<64>(a, stored, begin, end, x);
    else QuantizeSpan<128>(a, stored, begin, end, x);
  }
}
HST_DEVICE void ZeroGroupsOfParts(const QuantizeArgs& a, int64_t row, int threads) {
  for (int64_t part = 0; part < a.out.parts; ++part) ZeroGroups(a.out, row * a.out.parts + part, (a.cols + a.ga - 1) / a.ga, threads);
}

}  // namespace hasten::cuda
