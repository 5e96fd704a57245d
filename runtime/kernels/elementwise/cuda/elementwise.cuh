// The elementwise ops on a device: a kernel for each function, so that none pays for the
// registers of another (cos, sin and pow work in double); operands are told apart in the
// kernel, once a thread.
#pragma once

#include "runtime/kernels/cuda/rows.cuh"
#include "runtime/kernels/elementwise/functions.h"

namespace hasten::cuda {

// out = f(x, y) of this thread's values; y null: `scalar` in its place. out may be x or y.
template <class F>
HST_DEVICE void MapRow(const float* x, const float* y, float scalar, float* out, int64_t cols, F f) {
  float a[kRowsEach], b[kRowsEach];
  HST_DEVICE_UNROLL
  for (int i = 0; i < kRowsEach; ++i) {
    const int64_t col = ColumnOf(i);
    a[i] = col < cols ? x[col] : 0.0f;
    b[i] = y && col < cols ? y[col] : scalar;
  }
  HST_DEVICE_UNROLL
  for (int i = 0; i < kRowsEach; ++i) {
    const int64_t col = ColumnOf(i);
    if (col < cols) out[col] = f(a[i], b[i]);
  }
}

template <Unary kOp>
struct ApplyUnary {
  HST_DEVICE float operator()(float x, float) const { return UnaryOf<kOp>(x); }
};
template <Unary kOp>
struct ApplyGated {
  HST_DEVICE float operator()(float gate, float up) const { return UnaryOf<kOp>(gate) * up; }
};
template <Binary kOp>
struct ApplyBinary {
  bool swapped;
  HST_DEVICE float operator()(float a, float b) const { return BinaryOf<kOp>(swapped ? b : a, swapped ? a : b); }
};

template <Unary kOp>
__global__ void __launch_bounds__(kRowsThreads) UnaryKernel(UnaryArgs a) {
  WaitForPrevious();
  const int64_t row = blockIdx.x;
  MapRow(a.x + row * a.x_stride, nullptr, 0.0f, a.out + row * a.out_stride, a.cols, ApplyUnary<kOp>());
}

template <Unary kOp>
__global__ void __launch_bounds__(kRowsThreads) GatedKernel(GatedArgs a) {
  WaitForPrevious();
  const int64_t row = blockIdx.x;
  MapRow(a.gate + row * a.gate_stride, a.up + row * a.up_stride, 0.0f, a.out + row * a.out_stride, a.cols, ApplyGated<kOp>());
}

template <Binary kOp>
__global__ void __launch_bounds__(kRowsThreads) BinaryKernel(BinaryArgs a) {
  WaitForPrevious();
  const int64_t row = blockIdx.x;
  const float* b = a.b_kind == Operand::kScalar ? nullptr : a.b_kind == Operand::kVector ? a.b : a.b + row * a.b_stride;
  MapRow(a.a + row * a.a_stride, b, a.scalar, a.out + row * a.out_stride, a.cols, ApplyBinary<kOp>{a.swapped});
}

}  // namespace hasten::cuda
