// copy: rows of fp32 to another place, all of them or those that a list names (the
// output rows of a step).
#pragma once

#include <cstdint>
#include <span>

#include "runtime/kernels/kernel.h"

namespace hasten {

struct CopyArgs {
  const float* x = nullptr;          // [..][x_stride]
  float* out = nullptr;              // [rows][out_stride]; never aliases x
  int64_t x_stride = 0, out_stride = 0, rows = 0, cols = 0;
  const int32_t* from = nullptr;     // [rows]: out's row r is x's row from[r]; null: r
};

std::span<const Kernel<CopyArgs>> CopyKernels();

}  // namespace hasten
