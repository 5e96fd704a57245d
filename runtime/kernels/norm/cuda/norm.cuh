// norm on a device: a block of threads a (row, group). Half a warp sums a segment, as
// the definition's 16 lanes; one warp combines the segments.
#pragma once

#include "runtime/kernels/cuda/sums.cuh"
#include "runtime/kernels/norm/contract.h"

namespace hasten::cuda {

inline constexpr int kNormThreads = 256;
inline constexpr int64_t kNormSegment = 512;

// The mean of x - shift, or of its square, by all threads of a block; the same in all of
// them. `sums`: shared, a float a segment.
HST_DEVICE float NormMean(const float* x, int64_t n, bool square, float shift, float* sums) {
  const int half = threadIdx.x / 16, lane = threadIdx.x % 16;
  const int segments = static_cast<int>((n + kNormSegment - 1) / kNormSegment), halves = static_cast<int>(blockDim.x) / 16;
  const int rounds = (segments + halves - 1) / halves;
  for (int round = 0; round < rounds; ++round) {   // of all warps alike: SumOf16 takes a whole warp
    const int s = round * halves + half;
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

// A normalized value and its scale.
HST_DEVICE float Normalized(const NormArgs& a, float x, float mean, float inverse, int64_t i) {
  float y = (x - mean) * inverse;
  if (a.w) y = y * a.w[i];
  if (a.b) y = y + a.b[i];
  return y;
}

}  // namespace hasten::cuda
