// Takes in, split by split, the sums that the blocks of a chunk whose splits were shared
// out have left; and quantizes what comes of it, where that is what follows. A block of
// threads a pair; a thread a value or a lane.
#pragma once

#include "runtime/kernels/attention/cuda/chunk.cuh"
#include "runtime/kernels/attention/i8_numerics.h"
#include "runtime/kernels/quantize/cuda/quantize.cuh"

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

// The pair's values, in shared memory, as codes of its row: groups lie within a head.
HST_DEVICE void QuantizeHead(const QuantizeArgs& q, int64_t row, int head, int v_head_dim, const float* values) {
  const int first = static_cast<int>(threadIdx.x / kWarp) * kQuantizeLine, lane = threadIdx.x % kWarp;
  const int64_t begin = int64_t{head} * v_head_dim;
  if (first < v_head_dim) {
    float4 x[1] = {LoadFour(values, first + lane * 4, v_head_dim)};
    QuantizeParts(q, row, begin + first, begin + v_head_dim, x);
  }
  if (head == 0) ZeroGroupsOfParts(q, row, static_cast<int>(blockDim.x));
}

// Threads: v_cols and 16 more, up to whole warps.
template <bool kFloat, bool kQuantize>
__global__ void __launch_bounds__(288) CombineKernel(AttentionArgs a, AttentionCut cut, QuantizeArgs then) {
  HST_SHARED(float, inverse, 1);
  HST_SHARED(float, values, kQuantize ? 256 : 1);
  WaitForPrevious();
  const Chunk c = ChunkOfBlock(a, cut);
  const int pair = static_cast<int>(blockIdx.z), index = static_cast<int>(threadIdx.x);
  if (pair >= c.pairs) return;   // of all threads alike
  const int v_cols = cut.record - 32, v_head_dim = static_cast<int>(a.shape.v_head_dim);
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
  if (index < v_head_dim) {
    const float value = kFloat ? sum * inverse[0] : Normalized(sum, inverse[0]);
    a.out[c.Row(pair) * a.out_stride + c.Head(pair) * a.shape.v_head_dim + index] = value;
    if constexpr (kQuantize) values[index] = value;
  }
  if constexpr (kQuantize) {
    __syncthreads();
    QuantizeHead(then, c.Row(pair), c.Head(pair), v_head_dim, values);
  }
}

}  // namespace hasten::cuda
