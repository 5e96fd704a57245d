// linear: out[M, N] = x[M, K] * W[N, K]^T (+ bias[N]), the op that decides speed.
// Integer schemes take quantized rows, fp16 and fp32 weights take fp32 rows.
// The bits follow from (N, K, scheme, ga) alone (docs/numerics.md, "linear"):
// exact int32 dots over runs of ga elements, fma in order within a segment of
// 512 elements of K, segments combined by recursive halving. M never matters. Where
// the quantized rows have residuals, each one's sum is added to its row's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/kernels/kernel.h"
#include "runtime/kernels/quantize/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten {

struct LinearArgs {
  Scheme scheme = Scheme::kF32;
  int64_t rows = 0;            // M
  int64_t n = 0, k = 0;
  int64_t ga = 0;              // activation group of xq; divides the weights' group
  QuantizedRows xq;            // integer schemes
  const float* x = nullptr;    // float schemes: [M][x_stride]
  int64_t x_stride = 0;
  const std::byte* w = nullptr;   // packed by quant/, PackedBytes(scheme, n, k), 64-byte aligned
  const float* bias = nullptr;    // [N] or null; added last, one rounding
  float* out = nullptr;           // [M][out_stride]; never aliases an input
  int64_t out_stride = 0;
};

std::span<const Kernel<LinearArgs>> LinearKernels();

}  // namespace hasten
