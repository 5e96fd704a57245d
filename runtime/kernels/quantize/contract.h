// quantize: rows of fp32 to int8 with a scale per group of `ga` elements, the
// input of every integer linear. Definition: docs/numerics.md, "activation
// quantization" (s = absmax/127, q = rint(x/s) to even, clamp to +-127, absmax
// below 2^-100 is zero). The last group is shorter when ga does not divide K.
// With a residual, what a row leaves, x - s * q, is quantized the same way as a
// second row behind it: about 15 bits for twice the dot products.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/kernels/kernel.h"

namespace hasten {

// M quantized rows in memory, each of `parts` rows one behind the other: the row, and
// with parts = 2 its residual. Strides are in elements of the array.
//   q      [M * parts][q_stride]   int8, K values, zero up to q_stride (a multiple of 64)
//   scale  [M * parts][g_stride]   fp32, one a group
//   sum    [M * parts][g_stride]   int32, the sum of the group's q (zero-point correction)
struct QuantizedRows {
  int8_t* q = nullptr;
  float* scale = nullptr;
  int32_t* sum = nullptr;
  int64_t q_stride = 0;
  int64_t g_stride = 0;
  int64_t parts = 1;
};

// Bytes of one row's three arrays for K columns and group `ga`, each rounded up
// to 64 bytes: the executor lays M rows out as [M * parts rows of q][of scale][of sum].
struct QuantizedLayout {
  int64_t q_stride, g_stride, parts;
  size_t bytes_per_row;  // parts * (q_stride + 8 * g_stride)
};
QuantizedLayout QuantizedRowLayout(int64_t cols, int64_t ga, bool residual = false);
// Views a 64-byte aligned block of rows * bytes_per_row bytes.
QuantizedRows QuantizedRowsAt(std::byte* base, int64_t rows, const QuantizedLayout& layout);

struct QuantizeArgs {
  const float* x = nullptr;  // [rows][x_stride]
  int64_t x_stride = 0;
  int64_t rows = 0, cols = 0;
  int64_t ga = 0;  // 32, 64, 128, or cols
  QuantizedRows out;   // its parts say whether there is a residual
};

std::span<const Kernel<QuantizeArgs>> QuantizeKernels();

}  // namespace hasten
