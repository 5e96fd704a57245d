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

// Recursive halving fed in order: after the sum of segment i of n, that many of the sums
// before it are complete; new = old + new, from the latest back.
HST_HOST_DEVICE constexpr int HalvingMerges(int i, int n) {
  int merges = 0;
  while (n > 1) {
    const int head = n - n / 2;
    if (i < head) n = head, merges = 0;
    else i -= head, n -= head, ++merges;
  }
  return merges;
}

// Sum(sums[0, n)) by recursive halving, by one thread: the array, `step` floats apart, is
// overwritten as the stack of the sums that wait.
HST_DEVICE float SumByHalvingAlone(float* sums, int n, int step) {
  int top = 0;
  for (int i = 0; i < n; ++i, ++top) {
    float v = sums[i * step];
    for (int merges = HalvingMerges(i, n); merges > 0; --merges) v = sums[--top * step] + v;
    sums[top * step] = v;
  }
  return sums[0];
}

// Sum(sums[0, n)) by recursive halving: the first ceil(n / 2) plus the rest. All lanes of
// a warp call it; the result is in lane 0. `sums`, `step` floats apart, lies in shared
// memory and, for n > 32, is overwritten.
HST_DEVICE float SumByHalving(float* sums, int n, int step, int lane) {
  if (n > kWarp) {   // K above 16,384: one lane
    if (lane == 0) SumByHalvingAlone(sums, n, step);
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
