// norm on a device: a block of threads a (row, group). Half a warp sums a segment, as
// the definition's 16 lanes; one warp combines the segments.
#pragma once

#include "runtime/kernels/cuda/sums.cuh"
#include "runtime/kernels/norm/contract.h"

namespace hasten::cuda {

inline constexpr int kNormThreads = 256;
inline constexpr int64_t kNormSegment = 512;

// The mean of x - shift, or of its square; the same in all threads. `sums`: shared, a
// float a segment.
HST_DEVICE float NormMean(const float* x, int64_t n, bool square, float shift, float* sums) {
  const int half = threadIdx.x / 16, lane = threadIdx.x % 16;
  const int segments = static_cast<int>((n + kNormSegment - 1) / kNormSegment);
  const int rounds = (segments + kNormThreads / 16 - 1) / (kNormThreads / 16);
  for (int round = 0; round < rounds; ++round) {   // of all warps alike: SumOf16 takes a whole warp
    const int s = round * (kNormThreads / 16) + half;
    float sum = 0.0f;
    if (s < segments) {
      const int64_t end = n < (s + 1) * kNormSegment ? n : (s + 1) * kNormSegment;
      for (int64_t i = s * kNormSegment + lane; i < end; i += 16) {
        const float d = x[i] - shift;
        sum = square ? Fma(d, d, sum) : sum + d;
      }
    }
    sum = SumOf16(sum);
    if (s < segments && lane == 0) sums[s] = sum;
  }
  __syncthreads();
  if (threadIdx.x < kWarp) {
    const float sum = SumByHalving(sums, segments, 1, threadIdx.x);
    if (threadIdx.x == 0) sums[0] = sum;
  }
  __syncthreads();
  const float mean = sums[0] / static_cast<float>(n);
  __syncthreads();   // before the next sum overwrites it
  return mean;
}

__global__ void __launch_bounds__(kNormThreads) NormKernel(NormArgs a) {
  HST_DYNAMIC_SHARED(shared);
  float* sums = reinterpret_cast<float*>(shared);
  WaitForPrevious();
  const float* x = a.x + blockIdx.x * a.x_stride + blockIdx.y * a.cols;
  float* out = a.out + blockIdx.x * a.out_stride + blockIdx.y * a.cols;
  const float mean = a.kind == NormKind::kLayer ? NormMean(x, a.cols, false, 0.0f, sums) : 0.0f;
  const float inverse = 1.0f / Sqrt(NormMean(x, a.cols, true, mean, sums) + a.eps);
  LetNextStart();
  for (int64_t i = threadIdx.x; i < a.cols; i += kNormThreads) {
    float y = (x[i] - mean) * inverse;
    if (a.w) y = y * a.w[i];
    if (a.b) y = y + a.b[i];
    out[i] = y;
  }
}

}  // namespace hasten::cuda
