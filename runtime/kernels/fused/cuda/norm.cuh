// add, norm and quantize on a device: a block of threads a row, whose values lie in shared
// memory from the addition on. A warp quantizes 512 of them at a time.
#pragma once

#include "runtime/kernels/fused/contract.h"
#include "runtime/kernels/norm/cuda/norm.cuh"
#include "runtime/kernels/quantize/cuda/quantize.cuh"

namespace hasten::cuda {

inline constexpr int kFusedNormThreads = 512;       // at most
inline constexpr int kFusedNormLoads = 8;           // of a thread, on the way together
inline constexpr int64_t kFusedNormCols = 16384;    // at most: a row in shared memory, on every architecture

// The row's values, or the sums that they are, which are written.
HST_DEVICE void LoadRow(const FusedNormArgs& a, int64_t row, float* values) {
  const float* x = a.adds ? a.add.a + row * a.add.a_stride : a.norm.x + row * a.norm.x_stride;
  const float* y = a.add.b + row * a.add.b_stride;
  float* sum = a.add.out + row * a.add.out_stride;
  const int cols = static_cast<int>(a.norm.cols), threads = blockDim.x;
  for (int first = threadIdx.x; first < cols; first += kFusedNormLoads * threads) {
    float v[kFusedNormLoads], w[kFusedNormLoads];
    HST_DEVICE_UNROLL
    for (int j = 0; j < kFusedNormLoads; ++j) {
      const int i = first + j * threads;
      v[j] = i < cols ? x[i] : 0.0f;
      w[j] = a.adds && i < cols ? y[i] : 0.0f;
    }
    HST_DEVICE_UNROLL
    for (int j = 0; j < kFusedNormLoads; ++j) {
      const int i = first + j * threads;
      if (i >= cols) continue;
      values[i] = a.adds ? v[j] + w[j] : v[j];
      if (a.adds) sum[i] = values[i];
    }
  }
}

// One of the row's quantizations, by all warps of the block.
HST_DEVICE void QuantizeRow(const QuantizeArgs& a, int64_t row, const float* values) {
  const int warps = blockDim.x / kWarp, lane = threadIdx.x % kWarp;
  for (int64_t begin = int64_t{threadIdx.x / kWarp} * kQuantizeSpan; begin < a.out.q_stride; begin += warps * kQuantizeSpan) {
    float4 x[kQuantizeLines];
    HST_DEVICE_UNROLL
    for (int j = 0; j < kQuantizeLines; ++j) x[j] = LoadFour(values, begin + j * kQuantizeLine + lane * 4, a.cols);
    QuantizeParts(a, row, begin, a.out.q_stride, x);
  }
  ZeroGroupsOfParts(a, row, static_cast<int>(blockDim.x));
}

__global__ void __launch_bounds__(kFusedNormThreads) FusedNormKernel(FusedNormArgs a) {
  HST_DYNAMIC_SHARED(shared);
  const int64_t cols = a.norm.cols, row = blockIdx.x;
  float* const values = reinterpret_cast<float*>(shared);
  float* const sums = values + (cols + 3) / 4 * 4;
  for (int64_t i = threadIdx.x * 32; i < cols; i += blockDim.x * 32) {   // the scales never change
    if (a.norm.w) PrefetchL2(reinterpret_cast<const std::byte*>(a.norm.w + i));
    if (a.norm.b) PrefetchL2(reinterpret_cast<const std::byte*>(a.norm.b + i));
  }
  WaitForPrevious();
  LoadRow(a, row, values);
  __syncthreads();
  const float mean = a.norm.kind == NormKind::kLayer ? NormMean(values, cols, false, 0.0f, sums) : 0.0f;
  const float inverse = 1.0f / Sqrt(NormMean(values, cols, true, mean, sums) + a.norm.eps);
  float* const out = a.norm.out ? a.norm.out + row * a.norm.out_stride : nullptr;
  for (int64_t i = threadIdx.x; i < cols; i += blockDim.x) {
    const float y = Normalized(a.norm, values[i], mean, inverse, i);
    values[i] = y;
    if (out) out[i] = y;
  }
  __syncthreads();
  for (int i = 0; i < a.quantizes; ++i) QuantizeRow(a.quantize[i], row, values);
}

}  // namespace hasten::cuda
