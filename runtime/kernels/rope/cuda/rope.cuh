// rope on a device: a thread rotates kRopeEach pairs of a row, a block's width apart, so
// that it reads both values of a pair before it writes either (in place), and a warp's
// reads lie side by side.
#pragma once

#include "runtime/kernels/cuda/simt.h"
#include "runtime/kernels/rope/contract.h"

namespace hasten::cuda {

inline constexpr int kRopeThreads = 128;
inline constexpr int kRopeEach = 2;

// A pair's places in its row, and where its cosine and sine stand in the table's row.
struct RopePair {
  int first, second, entry;
};
HST_DEVICE RopePair PairOf(const RopeArgs& a, int pair) {
  const int half = static_cast<int>(a.rotary_dim / 2), head = pair / half, i = pair - head * half;
  const int at = head * static_cast<int>(a.head_dim);
  return a.interleaved ? RopePair{at + 2 * i, at + 2 * i + 1, i} : RopePair{at + i, at + i + half, i};
}

__global__ void __launch_bounds__(kRopeThreads) RopeKernel(RopeArgs a) {
  WaitForPrevious();
  const int64_t row = blockIdx.x;
  const float* x = a.x + row * a.x_stride;
  float* out = a.out + row * a.out_stride;
  const float2* table = reinterpret_cast<const float2*>(a.table + a.positions[row] * a.rotary_dim);
  const int pairs = static_cast<int>(a.heads * (a.rotary_dim / 2));
  const int begin = static_cast<int>(blockIdx.y) * kRopeEach * kRopeThreads + static_cast<int>(threadIdx.x);
  float x0[kRopeEach], x1[kRopeEach];
  float2 turn[kRopeEach];
  HST_DEVICE_UNROLL
  for (int j = 0; j < kRopeEach; ++j) {
    const int pair = begin + j * kRopeThreads;
    if (pair >= pairs) continue;
    const RopePair p = PairOf(a, pair);
    x0[j] = x[p.first], x1[j] = x[p.second], turn[j] = table[p.entry];
  }
  LetNextStart();
  HST_DEVICE_UNROLL
  for (int j = 0; j < kRopeEach; ++j) {
    const int pair = begin + j * kRopeThreads;
    if (pair >= pairs) continue;
    const RopePair p = PairOf(a, pair);
    const float c = turn[j].x, s = turn[j].y;
    out[p.first] = Fma(x0[j], c, -(x1[j] * s));
    out[p.second] = Fma(x1[j], c, x0[j] * s);
  }
  // What is not rotated is copied, by all of the row's blocks together.
  const int rest = static_cast<int>(a.head_dim - a.rotary_dim), copies = x == out ? 0 : static_cast<int>(a.heads) * rest;
  for (int i = static_cast<int>(blockIdx.y * kRopeThreads + threadIdx.x); i < copies; i += static_cast<int>(gridDim.y) * kRopeThreads) {
    const int head = i / rest, at = head * static_cast<int>(a.head_dim) + static_cast<int>(a.rotary_dim) + i - head * rest;
    out[at] = x[at];
  }
}

}  // namespace hasten::cuda
