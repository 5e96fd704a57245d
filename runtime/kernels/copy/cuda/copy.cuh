// copy on a device: a block of threads a piece of one row (rows.cuh).
#pragma once

#include "runtime/kernels/copy/contract.h"
#include "runtime/kernels/cuda/rows.cuh"

namespace hasten::cuda {

__global__ void __launch_bounds__(kRowsThreads) CopyKernel(CopyArgs a) {
  WaitForPrevious();
  const int64_t row = blockIdx.x, from = a.from ? a.from[row] : row;
  if (from < 0) return;   // a padded row copies nothing
  const float* x = a.x + from * a.x_stride;
  float* out = a.out + row * a.out_stride;
  float values[kRowsEach];
  HST_DEVICE_UNROLL
  for (int i = 0; i < kRowsEach; ++i) values[i] = ColumnOf(i) < a.cols ? x[ColumnOf(i)] : 0.0f;
  HST_DEVICE_UNROLL
  for (int i = 0; i < kRowsEach; ++i)
    if (ColumnOf(i) < a.cols) out[ColumnOf(i)] = values[i];
}

}  // namespace hasten::cuda
