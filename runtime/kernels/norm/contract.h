// norm: RMS normalization (Zhang & Sennrich 2019, arXiv:1910.07467) and layer
// normalization (Ba et al. 2016, arXiv:1607.06450) of each group of a row.
//   rms:   y = x / sqrt(mean(x^2) + eps) * w
//   layer: y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * w + b
// Sums in segments of 512, 16 strided lanes, as docs/numerics.md says; IEEE
// divide and square root.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/kernels/kernel.h"

namespace hasten {

enum class NormKind : uint8_t { kRms = 0, kLayer = 1 };  // written into artifacts

struct NormArgs {
  NormKind kind = NormKind::kRms;
  const float* x = nullptr;     // [rows][x_stride]: groups * cols values
  const float* w = nullptr;     // [cols] or null (ones)
  const float* b = nullptr;     // [cols] or null (zeros)
  float* out = nullptr;         // [rows][out_stride]; may be x
  int64_t x_stride = 0, out_stride = 0;
  int64_t rows = 0;
  int64_t groups = 1;           // heads, when each head is normalized apart
  int64_t cols = 0;             // of one group
  float eps = 0;
};

std::span<const Kernel<NormArgs>> NormKernels();

}  // namespace hasten
