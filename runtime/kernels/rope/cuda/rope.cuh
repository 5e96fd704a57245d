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

HST_DEVICE void Turn(float x0, float x1, float2 turn, float* first, float* second) {
  const float c = turn.x, s = turn.y;
  *first = Fma(x0, c, -(x1 * s));
  *second = Fma(x1, c, x0 * s);
}
HST_DEVICE const float2* TurnsOf(const RopeArgs& a, int64_t row) {
  return reinterpret_cast<const float2*>(a.table + a.positions[row] * a.rotary_dim);
}

// Block `block` of the `blocks` that share out a row.
HST_DEVICE void RopeRow(const RopeArgs& a, int64_t row, int block, int blocks) {
  const float* x = a.x + row * a.x_stride;
  float* out = a.out + row * a.out_stride;
  const float2* table = TurnsOf(a, row);
  const int pairs = static_cast<int>(a.heads * (a.rotary_dim / 2));
  const int begin = block * kRopeEach * kRopeThreads + static_cast<int>(threadIdx.x);
  float x0[kRopeEach], x1[kRopeEach];
  float2 turn[kRopeEach];
  HST_DEVICE_UNROLL
  for (int j = 0; j < kRopeEach; ++j) {
    const int pair = begin + j * kRopeThreads;
    if (pair >= pairs) continue;
    const RopePair p = PairOf(a, pair);
    x0[j] = x[p.first], x1[j] = x[p.second], turn[j] = table[p.entry];
  }
  HST_DEVICE_UNROLL
  for (int j = 0; j < kRopeEach; ++j) {
    const int pair = begin + j * kRopeThreads;
    if (pair >= pairs) continue;
    const RopePair p = PairOf(a, pair);
    Turn(x0[j], x1[j], turn[j], out + p.first, out + p.second);
  }
  // What is not rotated is copied, by all of the row's blocks together.
  const int rest = static_cast<int>(a.head_dim - a.rotary_dim), copies = x == out ? 0 : static_cast<int>(a.heads) * rest;
  for (int i = block * kRopeThreads + static_cast<int>(threadIdx.x); i < copies; i += blocks * kRopeThreads) {
    const int head = i / rest, at = head * static_cast<int>(a.head_dim) + static_cast<int>(a.rotary_dim) + i - head * rest;
    out[at] = x[at];
  }
}

// One head of a row, by a warp.
HST_DEVICE void RopeHead(const RopeArgs& a, int64_t row, int head, int lane) {
  const float* x = a.x + row * a.x_stride;
  float* out = a.out + row * a.out_stride;
  const float2* table = TurnsOf(a, row);
  const int half = static_cast<int>(a.rotary_dim / 2), at = head * static_cast<int>(a.head_dim);
  for (int i = lane; i < half; i += kWarp) {
    const RopePair p = PairOf(a, head * half + i);
    Turn(x[p.first], x[p.second], table[p.entry], out + p.first, out + p.second);
  }
  if (x == out) return;
  for (int i = static_cast<int>(a.rotary_dim) + lane; i < static_cast<int>(a.head_dim); i += kWarp) out[at + i] = x[at + i];
}

// Blocks of a row; without a pair, what is not rotated is still copied.
inline unsigned RopeBlocks(const RopeArgs& a) {
  const int64_t pairs = a.heads * (a.rotary_dim / 2), each = int64_t{kRopeThreads} * kRopeEach;
  return pairs > 0 ? static_cast<unsigned>((pairs + each - 1) / each) : 1;
}

}  // namespace hasten::cuda
