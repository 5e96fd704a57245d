// Float weights: four threads are the definition's 16 lanes of a segment, four lanes
// each, so that W is read 16 bytes at a time (fp16: 8); a warp takes a segment of eight
// rows of W by up to eight of x, a block's warps share out the segments.
#pragma once

#include "runtime/kernels/cuda/sums.cuh"
#include "runtime/kernels/linear/contract.h"

namespace hasten::cuda {

inline constexpr int kFloatWarps = 8;    // at most
inline constexpr int kFloatRows = 8;     // of W
inline constexpr int kFloatCols = 8;     // of x
inline constexpr int kFloatSegment = 512;

// Elements k to k + 3 of a row of W.
template <bool kHalf>
HST_DEVICE void LoadFour(const std::byte* row, int64_t k, float (&v)[4]) {
  if constexpr (kHalf) {
    const uint2 h = *reinterpret_cast<const uint2*>(row + k * 2);
    v[0] = WidenHalf(h.x & 0xffffu), v[1] = WidenHalf(h.x >> 16), v[2] = WidenHalf(h.y & 0xffffu), v[3] = WidenHalf(h.y >> 16);
  } else {
    const float4 f = *reinterpret_cast<const float4*>(row + k * 4);
    v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
  }
}
// The first `count` of four elements of x; the others are +0. `aligned`: to 16 bytes.
HST_DEVICE void LoadFourOfX(const float* x, int64_t count, bool aligned, float (&v)[4]) {
  if (aligned && count >= 4) {
    const float4 f = *reinterpret_cast<const float4*>(x);
    v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
    return;
  }
  HST_DEVICE_UNROLL
  for (int j = 0; j < 4; ++j) v[j] = j < count ? x[j] : 0.0f;
}

// A segment's sums over [k, end) of one row of W by kCols rows of x; in the first of four
// threads. `live` false: of nothing.
template <bool kHalf, int kCols>
HST_DEVICE void FloatSegment(const std::byte* row, const float* x, int64_t x_stride, int64_t cols, bool live, int64_t k, int64_t end, int lane,
                             float (&sum)[kCols]) {
  float acc[kCols][4] = {};
  const bool aligned = reinterpret_cast<uintptr_t>(x) % 16 == 0 && x_stride % 4 == 0;
  for (k += lane % 4 * 4, end += lane % 4 * 4; live && k < end; k += 16) {   // all four threads as often
    float w[4];
    LoadFour<kHalf>(row, k, w);
    HST_DEVICE_UNROLL
    for (int m = 0; m < kCols; ++m) {
      if (m >= cols) break;
      float v[4];
      LoadFourOfX(x + m * x_stride + k, end - lane % 4 * 4 - k, aligned, v);
      HST_DEVICE_UNROLL
      for (int j = 0; j < 4; ++j) acc[m][j] = Fma(v[j], w[j], acc[m][j]);
    }
  }
  HST_DEVICE_UNROLL
  for (int m = 0; m < kCols; ++m) {   // lane j of the 16 is element j % 4 of thread j / 4
    HST_DEVICE_UNROLL
    for (int half = 2; half >= 1; half /= 2)
      HST_DEVICE_UNROLL
      for (int j = 0; j < 4; ++j) acc[m][j] = acc[m][j] + __shfl_down_sync(kFullMask, acc[m][j], half, 4);
    sum[m] = (acc[m][0] + acc[m][2]) + (acc[m][1] + acc[m][3]);
  }
}

struct FloatLinear {
  const std::byte* w;
  const float* x;
  const float* bias;
  float* out;
  int64_t x_stride, out_stride, row_bytes, rows, n, k;
  int segments;
};

template <bool kHalf, int kCols>
__global__ void __launch_bounds__(kFloatWarps* kWarp, kCols == 1 ? 6 : 3) LinearFloatKernel(FloatLinear p) {
  HST_DYNAMIC_SHARED(shared);
  float* const sums = reinterpret_cast<float*>(shared);   // [segment][kCols][8 rows of W]
  const int warps = blockDim.x / kWarp, warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int64_t n = int64_t{blockIdx.x} * kFloatRows + lane / 4, m0 = int64_t{blockIdx.y} * kCols;
  const int64_t cols = p.rows - m0 < kCols ? p.rows - m0 : kCols;
  WaitForPrevious();
  for (int s = warp; s < p.segments; s += warps) {
    const int64_t end = p.k < int64_t{s + 1} * kFloatSegment ? p.k : int64_t{s + 1} * kFloatSegment;
    float sum[kCols];
    FloatSegment<kHalf, kCols>(p.w + n * p.row_bytes, p.x + m0 * p.x_stride, p.x_stride, cols, n < p.n, int64_t{s} * kFloatSegment, end, lane, sum);
    HST_DEVICE_UNROLL
    for (int m = 0; m < kCols; ++m)
      if (lane % 4 == 0) sums[(s * kCols + m) * kFloatRows + lane / 4] = sum[m];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < kCols * kFloatRows; i += blockDim.x) {
    const int64_t row = int64_t{blockIdx.x} * kFloatRows + i % kFloatRows, m = m0 + i / kFloatRows;
    if (row >= p.n || m >= p.rows) continue;
    const float v = SumByHalvingAlone(sums + i, p.segments, kCols * kFloatRows);
    p.out[m * p.out_stride + row] = p.bias ? v + p.bias[row] : v;
  }
}

}  // namespace hasten::cuda
