// The sums of docs/numerics.md on a device: segments by half a warp each, and their
// combination by recursive halving.
#pragma once

#include "runtime/kernels/cuda/simt.h"

namespace hasten::cuda {

// Where leaf `lane` of a recursive halving of n <= 32 begins: a tree of `depth` levels,
// of which the leaves of size 0 are those that an odd split leaves out.
struct HalvingLeaf {
  int first, size;
};
HST_HOST_DEVICE constexpr HalvingLeaf LeafOfHalving(int lane, int n, int depth) {
  int first = 0;
  for (int level = depth - 1; level >= 0; --level) {
    const int head = n - n / 2;
    if ((lane >> level & 1) == 0) n = head;
    else first += head, n -= head;
  }
  return {first, n};
}
HST_HOST_DEVICE constexpr int HalvingDepth(int n) {
  int depth = 0;
  while (1 << depth < n) ++depth;
  return depth;
}

// Sum(sums[0, n)) by recursive halving: the first ceil(n / 2) plus the rest. All lanes of
// a warp call it; the result is in lane 0. `sums`, `step` floats apart, lies in shared
// memory and, for n > 32, is overwritten.
HST_DEVICE float SumByHalving(float* sums, int n, int step, int lane) {
  if (n > kWarp) {   // K above 16,384: one lane, with the array itself as the stack
    if (lane == 0) {
      int top = 0;
      for (int i = 0; i < n; ++i) {
        sums[top++ * step] = sums[i * step];
        int at = i, left = n, merges = 0;
        while (left > 1) {
          const int head = left - left / 2;
          if (at < head) left = head, merges = 0;
          else at -= head, left -= head, ++merges;
        }
        for (; merges > 0; --merges, --top) sums[(top - 2) * step] = sums[(top - 2) * step] + sums[(top - 1) * step];
      }
    }
    __syncwarp();
    return sums[0];
  }
  const int depth = HalvingDepth(n);
  const HalvingLeaf leaf = LeafOfHalving(lane & ((1 << depth) - 1), n, depth);
  float sum = leaf.size > 0 ? sums[leaf.first * step] : 0.0f;
  int size = leaf.size;
  for (int level = 0; level < depth; ++level) {
    const float other = __shfl_down_sync(kFullMask, sum, 1 << level);
    const int others = __shfl_down_sync(kFullMask, size, 1 << level);
    if (others > 0) sum = sum + other;   // only what lane 0 takes part in matters
    size += others;
  }
  return sum;
}

}  // namespace hasten::cuda
