// How a program's buffers lie in the arena: what the planner allocates by, the
// checker checks and the executor addresses. A step of M token rows places the
// buffer at arena + offset * M; it holds M rows (or R <= M output rows).
#pragma once

#include <cstdint>

#include "runtime/format/program_generated.h"
#include "runtime/kernels/quantize/contract.h"

namespace hasten {

// Floats from one row of an fp32 buffer to the next: whole 64-byte lines.
constexpr int64_t RowStride(int64_t cols) { return (cols + 15) / 16 * 16; }

constexpr uint64_t FloatBytesPerRow(int64_t cols) { return static_cast<uint64_t>(RowStride(cols)) * 4; }

// All three arrays of a quantized row (kernels/quantize/contract.h); multiple of 64.
inline uint64_t QuantizedBytesPerRow(int64_t cols, int64_t group, bool residual) { return QuantizedRowLayout(cols, group, residual).bytes_per_row; }

// Bytes a row of a checked buffer takes.
inline uint64_t BytesPerRow(const fb::Buffer& b) {
  const int64_t cols = static_cast<int64_t>(b.cols());
  return b.kind() == fb::BufferKind::F32 ? FloatBytesPerRow(cols) : QuantizedBytesPerRow(cols, b.group(), b.residual());
}

}  // namespace hasten
