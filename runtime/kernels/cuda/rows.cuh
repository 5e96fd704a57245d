// How ops that work on rows, value by value, share them out: a block of threads takes a
// piece of one row's columns. A thread takes kRowsEach values a block's width apart, so
// that a warp's load is one piece of memory wherever the row begins (a view's columns
// begin anywhere, so that wider loads would need a second path), and all of them are on
// the way before the first is used.
#pragma once

#include "runtime/kernels/cuda/simt.h"

namespace hasten::cuda {

inline constexpr int kRowsThreads = 256;   // at most
inline constexpr int kRowsEach = 4;

// Rows in x, which has room for 2^31 of them, pieces in y.
struct RowsShape {
  unsigned rows, pieces, threads;
};
inline RowsShape ShapeOfRows(int64_t rows, int64_t cols) {
  const int64_t whole = (cols + kRowsEach * kWarp - 1) / (kRowsEach * kWarp) * kWarp;
  const int64_t threads = whole < kRowsThreads ? whole : kRowsThreads;
  if (rows <= 0 || cols <= 0) return {0, 0, kWarp};
  return {static_cast<unsigned>(rows), static_cast<unsigned>((cols + threads * kRowsEach - 1) / (threads * kRowsEach)), static_cast<unsigned>(threads)};
}
// The column of this thread's value i.
HST_DEVICE int64_t ColumnOf(int i) {
  return (int64_t{blockIdx.y} * kRowsEach + i) * static_cast<int64_t>(blockDim.x) + threadIdx.x;
}

}  // namespace hasten::cuda
