// quantize's kernels. Groups of 32 to 512: a warp takes 512 values of a row, and what is
// left for the residual stays in registers. Other groups, mostly a whole row: a block of
// threads, which reads its values once more for each of its passes (from the cache, mostly).
#pragma once

#include "runtime/kernels/quantize/cuda/quantize.cuh"

namespace hasten::cuda {

inline constexpr int kQuantizeWarps = 4;         // of a block for the groups within a warp
inline constexpr int kQuantizeThreads = 256;     // of a block for a group

template <int kGroup>
__global__ void __launch_bounds__(kQuantizeWarps* kWarp) QuantizeKernel(QuantizeArgs a) {
  WaitForPrevious();
  const int64_t row = blockIdx.x, begin = (int64_t{blockIdx.y} * kQuantizeWarps + threadIdx.x / kWarp) * kQuantizeSpan;
  float4 x[kQuantizeLines];
  HST_DEVICE_UNROLL
  for (int j = 0; j < kQuantizeLines; ++j) x[j] = LoadFour(a.x + row * a.x_stride, begin + j * kQuantizeLine + threadIdx.x % kWarp * 4, a.cols);
  for (int64_t part = 0; part < a.out.parts; ++part) {
    QuantizeSpan<kGroup>(a, row * a.out.parts + part, begin, a.out.q_stride, x);
    if (blockIdx.y == 0) ZeroGroups(a.out, row * a.out.parts + part, (a.cols + kGroup - 1) / kGroup, kQuantizeWarps * kWarp);
  }
}

// The largest of the block's values, or their sum, in all threads. `shared`: one a warp.
HST_DEVICE uint32_t BlockTop(uint32_t top, uint32_t* shared) {
  HST_DEVICE_UNROLL
  for (int step = kWarp / 2; step >= 1; step /= 2) {
    const uint32_t other = __shfl_xor_sync(kFullMask, top, step);
    top = other > top ? other : top;
  }
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = top;
  __syncthreads();
  for (int w = 0; w < kQuantizeThreads / kWarp; ++w) top = shared[w] > top ? shared[w] : top;
  __syncthreads();
  return top;
}
HST_DEVICE int32_t BlockSum(int32_t sum, uint32_t* shared) {
  HST_DEVICE_UNROLL
  for (int step = kWarp / 2; step >= 1; step /= 2) sum += __shfl_xor_sync(kFullMask, sum, step);
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = static_cast<uint32_t>(sum);
  __syncthreads();
  sum = 0;
  for (int w = 0; w < kQuantizeThreads / kWarp; ++w) sum += static_cast<int32_t>(shared[w]);
  __syncthreads();
  return sum;
}

// A block a group of any size, a multiple of 4 unless there is one only.
__global__ void __launch_bounds__(kQuantizeThreads) QuantizeGroupKernel(QuantizeArgs a) {
  HST_SHARED(uint32_t, shared, kQuantizeThreads / kWarp);
  WaitForPrevious();
  const int64_t row = blockIdx.x, group = blockIdx.y, begin = group * a.ga;
  const int64_t end = a.cols - begin < a.ga ? a.cols : begin + a.ga;   // of the values
  const int64_t stop = group + 1 == gridDim.y ? a.out.q_stride : end;  // of the codes, the last group's padding with it
  const float* x = a.x + row * a.x_stride;
  constexpr int kStep = 4 * kQuantizeThreads;
  const int64_t first = begin + threadIdx.x * 4;
  uint32_t top = 0;
  for (int64_t i = first; i < end; i += kStep) top = TopOf(LoadFour(x, i, end), top);
  GroupScale scale = ScaleOfTop(BlockTop(top, shared));
  const GroupScale of_row = scale;
  for (int64_t part = 0; part < a.out.parts; ++part) {
    const int64_t stored = row * a.out.parts + part;
    int32_t sum = 0;
    top = 0;
    for (int64_t i = first; i < stop; i += kStep) {
      float4 v = LoadFour(x, i, end);
      if (part > 0) CodeFour(v, of_row);
      const FourCodes codes = CodeFour(v, scale);
      *reinterpret_cast<uint32_t*>(a.out.q + stored * a.out.q_stride + i) = codes.word;
      sum += codes.sum, top = TopOf(v, top);
    }
    sum = BlockSum(sum, shared);
    if (threadIdx.x == 0) a.out.scale[stored * a.out.g_stride + group] = scale.scale, a.out.sum[stored * a.out.g_stride + group] = sum;
    if (group == 0) ZeroGroups(a.out, stored, gridDim.y, kQuantizeThreads);
    if (part + 1 < a.out.parts) scale = ScaleOfTop(BlockTop(top, shared));
  }
}

}  // namespace hasten::cuda
