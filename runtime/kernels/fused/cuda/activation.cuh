// An activation and its quantization on a device: a warp takes 128 columns of a row, a
// lane four neighbours, which stay in registers between the two.
#pragma once

#include "runtime/kernels/elementwise/functions.h"
#include "runtime/kernels/fused/contract.h"
#include "runtime/kernels/quantize/cuda/quantize.cuh"

namespace hasten::cuda {

inline constexpr int kActivationWarps = 4;   // of a block

// What is needed of GatedArgs or UnaryArgs, in one shape; up null: not gated.
struct Activation {
  const float *x, *up;
  float* out;                                // null: nobody else reads it
  int64_t x_stride, up_stride, out_stride, cols;
};

template <Unary kOp>
HST_DEVICE float4 Activate(float4 x, float4 up, bool gated) {
  const float4 y = {UnaryOf<kOp>(x.x), UnaryOf<kOp>(x.y), UnaryOf<kOp>(x.z), UnaryOf<kOp>(x.w)};
  if (!gated) return y;
  return {y.x * up.x, y.y * up.y, y.z * up.z, y.w * up.w};
}

// Columns from n on are +0, whatever the activation makes of 0.
HST_DEVICE float4 FirstOf(float4 v, int64_t i, int64_t n) {
  return {i < n ? v.x : 0.0f, i + 1 < n ? v.y : 0.0f, i + 2 < n ? v.z : 0.0f, i + 3 < n ? v.w : 0.0f};
}

template <Unary kOp>
__global__ void __launch_bounds__(kActivationWarps* kWarp) FusedActivationKernel(Activation a, QuantizeArgs q) {
  WaitForPrevious();
  const int64_t row = blockIdx.x, begin = (int64_t{blockIdx.y} * kActivationWarps + threadIdx.x / kWarp) * kQuantizeLine;
  const int64_t i = begin + threadIdx.x % kWarp * 4;
  const float4 x = LoadFour(a.x + row * a.x_stride, i, a.cols);
  const float4 up = a.up ? LoadFour(a.up + row * a.up_stride, i, a.cols) : x;
  float4 y[1] = {FirstOf(Activate<kOp>(x, up, a.up != nullptr), i, a.cols)};
  if (a.out) {
    float* out = a.out + row * a.out_stride;
    const float v[4] = {y[0].x, y[0].y, y[0].z, y[0].w};
    HST_DEVICE_UNROLL
    for (int j = 0; j < 4; ++j)
      if (i + j < a.cols) out[i + j] = v[j];
  }
  QuantizeParts(q, row, begin, q.out.q_stride, y);
  if (blockIdx.y == 0) ZeroGroupsOfParts(q, row, kActivationWarps * kWarp);
}

}  // namespace hasten::cuda
