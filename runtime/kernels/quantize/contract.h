// quantize: rows of fp32 to int8 with a scale per group of `ga` elements, the
// input of every integer linear. Definition: docs/numerics.md, "activation
// quantization" (s = absmax/127, q = rint(x/s) to even, clamp to +-127, absmax
// below 2^-100 is zero). The last group is shorter when ga does not divide K.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/kernels/kernel.h"

namespace hasten {

// M quantized rows in memory. Strides are in elements of the array.
//   q      [M][q_stride]      int8, K values, zero up to q_stride (a multiple of 64)
//   scale  [M][g_stride]      fp32, one a group
//   sum    [M][g_stride]      int32, the sum of the group's q (zero-point correction)
struct QuantizedRows {
  int8_t* q = nullptr;
  float* scale = nullptr;
  int32_t* sum = nullptr;
  int64_t q_stride = 0;
  int64_t g_stride = 0;
};

// Bytes of one row's three arrays for K columns and group `ga`, each rounded up
// to 64 bytes: the executor lays M rows out as [M rows of q][M of scale][M of sum].
struct QuantizedLayout {
  int64_t q_stride, g_stride;
  size_t bytes_per_row;  // q_stride + 8 * g_stride
};
QuantizedLayout QuantizedRowLayout(int64_t cols, int64_t ga);
// Views a 64-byte aligned block of rows * bytes_per_row bytes.
QuantizedRows QuantizedRowsAt(std::byte* base, int64_t rows, const QuantizedLayout& layout);

struct QuantizeArgs {
  const float* x = nullptr;  // [rows][x_stride]
  int64_t x_stride = 0;
  int64_t rows = 0, cols = 0;
  int64_t ga = 0;  // 32, 64, 128, or cols
  QuantizedRows out;
};

std::span<const Kernel<QuantizeArgs>> QuantizeKernels();

}  // namespace hasten
