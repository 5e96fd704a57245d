// Takes in, split by split, the sums that the blocks of a chunk whose splits were shared
// out have left. A block of threads a pair; a thread a value or a lane.
#pragma once

#include "runtime/kernels/attention/cuda/chunk.cuh"
#include "runtime/kernels/attention/i8_numerics.h"

namespace hasten::cuda {

// Splits whose sums are on the way while those before them are taken in.
inline constexpr int kSplitsAhead = 8;

// A thread's number of each split, taken in by the rule of the INT8 cache.
HST_DEVICE float JoinSplits(const float* record, int64_t stride, int splits, int index, int reference) {
  float m = -kInf, sum = 0.0f;
  for (int first = 0; first < splits; first += kSplitsAhead) {
    float e[kSplitsAhead], x[kSplitsAhead];
    HST_DEVICE_UNROLL
    for (int i = 0; i < kSplitsAhead; ++i) {
      const bool live = first + i < splits;
      const float* at = record + (live ? first + i : first) * stride;
      e[i] = at[reference], x[i] = at[index];
    }
    HST_DEVICE_UNROLL
    for (int i = 0; i < kSplitsAhead; ++i) {
      if (first + i >= splits) continue;
      const Joined<float> j = Join(m, e[i]);
      m = j.reference;
      sum = Fma(x[i], j.fresh, sum * j.old);
    }
  }
  return sum;
}

// The same by the rule of a float cache.
HST_DEVICE float CombineSplits(const float* record, int64_t stride, int splits, int index, int reference) {
  float m = record[reference], sum = record[index];
  for (int i = 1; i < splits; ++i) {
    const float* at = record + i * stride;
    const float top = Max(at[reference], m), old = Exp(m - top), fresh = Exp(at[reference] - top);
    m = top;
    sum = Fma(at[index], fresh, sum * old);
  }
  return sum;
}

// Threads: v_cols and 16 more, up to whole warps.
template <bool kFloat>
__global__ void __launch_bounds__(288) CombineKernel(AttentionArgs a, AttentionCut cut) {
  HST_SHARED(float, inverse, 1);
  WaitForPrevious();
  const Chunk c = ChunkOfBlock(a, cut);
  const int pair = static_cast<int>(blockIdx.z), index = static_cast<int>(threadIdx.x);
  if (pair >= c.pairs) return;   // of all threads alike
  const int v_cols = cut.record - 32;
  const KeyRange visible = c.Visible(a.shape, pair);
  const int first = static_cast<int>(visible.begin / kSplitKeys);
  const int splits = static_cast<int>((visible.end + kSplitKeys - 1) / kSplitKeys) - first;
  const float* record = RecordOf(c, cut, first, pair);
  const int64_t stride = int64_t{cut.pairs} * cut.record;
  float sum = 0.0f;
  if (index < v_cols + (kFloat ? 1 : 16)) {
    sum = kFloat ? CombineSplits(record, stride, splits, index, v_cols + 16)
                 : JoinSplits(record, stride, splits, index, v_cols + 16);
  }
  const float tree = kFloat ? sum : SumOf16(sum);
  if (index == v_cols) inverse[0] = 1.0f / tree;
  __syncthreads();
  if (index >= a.shape.v_head_dim) return;
  float* out = a.out + c.Row(pair) * a.out_stride + c.Head(pair) * a.shape.v_head_dim;
  out[index] = kFloat ? sum * inverse[0] : Normalized(sum, inverse[0]);
}

}  // namespace hasten::cuda
