// Where sampling's filters cut, on a device. Nothing is sorted: the bucket in which a
// filter cuts is found by sums over few buckets at a time, from the heaviest on (mostly
// one pass), and the cut in it by a radix search of the ranks that it holds. Weights are
// integers, whose sums have no order, so that any way to share them out is exact.
#pragma once

#include "runtime/kernels/cuda/simt.h"
#include "runtime/kernels/sample/contract.h"
#include "runtime/kernels/sample/numerics.h"

namespace hasten::cuda {

inline constexpr int kSampleThreads = 512;
inline constexpr int kSampleWarps = kSampleThreads / kWarp;
inline constexpr int kSampleEach = 8;     // loads of a thread that are on the way together
inline constexpr int kWindow = 8;         // buckets that a pass tells apart
inline constexpr int kDigitBits = 8, kDigits = 1 << kDigitBits;

struct SampleShared {
  unsigned long long weights[kDigits];
  uint32_t counts[kDigits];
  uint64_t warps[kSampleWarps];
  uint64_t partial[kWindow][kSampleWarps], window[kWindow];
  uint32_t listed, digit, digit_count;
  uint64_t digit_need;
};

// A row and what has been made of it.
struct SampledRow {
  const float* logits;
  int n;
  const uint32_t* penalized;   // a bit a token; null: none
  float penalty;
  float* e;                    // [n]; 0: without weight
  uint32_t* list;              // room for n ids
  uint64_t least;              // weight, by min_p

  HST_DEVICE float Y(int id, float logit) const {
    return penalized && (penalized[id / 32] >> id % 32 & 1) ? Penalized(logit, penalty) : logit;
  }
  HST_DEVICE uint64_t RankOf(int id) const { return Rank(Y(id, logits[id]), static_cast<uint32_t>(id)); }
};

// Up to here tokens are in: those of heavier buckets, and of this one by rank.
struct SampleCut {
  uint32_t bucket = 0;
  uint64_t rank = ~uint64_t{0};
};
HST_DEVICE uint64_t WeightIn(const SampledRow& r, const SampleCut& cut, int id, float e) {
  if (!(e > 0.0f)) return 0;
  const uint32_t b = BucketOf(e);
  if (b < cut.bucket || (b == cut.bucket && r.RankOf(id) > cut.rank)) return 0;
  const uint64_t w = Weight(e);
  return w >= r.least ? w : 0;
}

// f(i, x[i]) for this thread's i of [begin, end): from `first` on, `step` apart.
template <class F>
HST_DEVICE void ForEach(const float* x, int first, int end, int step, F f) {
  for (int base = first; base < end; base += kSampleEach * step) {
    float values[kSampleEach];
    HST_DEVICE_UNROLL
    for (int j = 0; j < kSampleEach; ++j) values[j] = base + j * step < end ? x[base + j * step] : 0.0f;
    HST_DEVICE_UNROLL
    for (int j = 0; j < kSampleEach; ++j)
      if (base + j * step < end) f(base + j * step, values[j]);
  }
}
template <class F>
HST_DEVICE void ForEachToken(const float* x, int n, F f) {
  ForEach(x, static_cast<int>(threadIdx.x), n, kSampleThreads, f);
}

HST_DEVICE uint64_t WarpSum(uint64_t v) {
  HST_DEVICE_UNROLL
  for (int step = kWarp / 2; step >= 1; step /= 2) v += __shfl_xor_sync(kFullMask, v, step);
  return v;
}
// Of all threads, in all threads.
HST_DEVICE uint64_t BlockSum(uint64_t v, SampleShared& s) {
  v = WarpSum(v);
  if (threadIdx.x % kWarp == 0) s.warps[threadIdx.x / kWarp] = v;
  __syncthreads();
  v = 0;
  for (int w = 0; w < kSampleWarps; ++w) v += s.warps[w];
  __syncthreads();
  return v;
}
HST_DEVICE uint64_t BlockMin(uint64_t v, SampleShared& s) {
  HST_DEVICE_UNROLL
  for (int step = kWarp / 2; step >= 1; step /= 2) {
    const uint64_t other = __shfl_xor_sync(kFullMask, v, step);
    v = other < v ? other : v;
  }
  if (threadIdx.x % kWarp == 0) s.warps[threadIdx.x / kWarp] = v;
  __syncthreads();
  for (int w = 0; w < kSampleWarps; ++w) v = s.warps[w] < v ? s.warps[w] : v;
  __syncthreads();
  return v;
}

// Where a sum of counts or of weights, in order, reaches `need`.
struct Reached {
  uint32_t bucket;
  uint64_t need;   // of it, within the bucket
};
HST_DEVICE Reached BucketWhere(const SampledRow& r, bool by_weight, uint64_t need, SampleShared& s) {
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  for (int top = static_cast<int>(kBuckets) - 1; top > 0; top -= kWindow) {
    uint64_t sums[kWindow] = {};
    ForEachToken(r.e, r.n, [&](int, float e) {
      const int below = top - static_cast<int>(BucketOf(e));
      if (below < 0 || below >= kWindow) return;   // e = 0 is far below
      const uint64_t value = by_weight ? Weight(e) : 1;
      HST_DEVICE_UNROLL
      for (int j = 0; j < kWindow; ++j) sums[j] += below == j ? value : 0;
    });
    HST_DEVICE_UNROLL
    for (int j = 0; j < kWindow; ++j) {
      const bool any = __any_sync(kFullMask, sums[j] != 0);
      const uint64_t sum = any ? WarpSum(sums[j]) : 0;
      if (lane == 0) s.partial[j][warp] = sum;
    }
    __syncthreads();
    if (warp < kWindow) {
      const uint64_t sum = WarpSum(lane < kSampleWarps ? s.partial[warp][lane] : 0);
      if (lane == 0) s.window[warp] = sum;
    }
    __syncthreads();
    for (int j = 0; j < kWindow; ++j) {   // the same in all threads
      if (s.window[j] >= need) return {static_cast<uint32_t>(top - j), need};
      need -= s.window[j];
    }
  }
  return {0, need};   // not reached: `need` is at most what there is
}

// Puts the ids of a bucket on the list, in any order; how many.
HST_DEVICE int ListBucket(const SampledRow& r, uint32_t bucket, SampleShared& s) {
  const int lane = threadIdx.x % kWarp;
  if (threadIdx.x == 0) s.listed = 0;
  __syncthreads();
  for (int base = 0; base < r.n; base += kSampleEach * kSampleThreads) {   // of all warps alike
    float e[kSampleEach];
    unsigned hits[kSampleEach];
    HST_DEVICE_UNROLL
    for (int j = 0; j < kSampleEach; ++j) {
      const int id = base + j * kSampleThreads + static_cast<int>(threadIdx.x);
      e[j] = id < r.n ? r.e[id] : 0.0f;
    }
    int found = 0;
    HST_DEVICE_UNROLL
    for (int j = 0; j < kSampleEach; ++j) hits[j] = __ballot_sync(kFullMask, BucketOf(e[j]) == bucket), found += __popc(hits[j]);
    if (found == 0) continue;
    uint32_t at = lane == 0 ? atomicAdd(&s.listed, static_cast<uint32_t>(found)) : 0;
    at = __shfl_sync(kFullMask, at, 0);
    HST_DEVICE_UNROLL
    for (int j = 0; j < kSampleEach; ++j) {
      if (hits[j] >> lane & 1)
        r.list[at + __popc(hits[j] & ((1u << lane) - 1))] = static_cast<uint32_t>(base + j * kSampleThreads + static_cast<int>(threadIdx.x));
      at += static_cast<uint32_t>(__popc(hits[j]));
    }
  }
  __syncthreads();
  return static_cast<int>(s.listed);
}

// The digit in which the sums of s.counts or s.weights reach `need`, for all threads.
HST_DEVICE void FindDigit(bool by_weight, uint64_t need, SampleShared& s) {
  if (threadIdx.x < kWarp) {
    constexpr int kEach = kDigits / kWarp;
    const int first = static_cast<int>(threadIdx.x) * kEach;
    uint64_t sum = 0;
    for (int j = first; j < first + kEach; ++j) sum += by_weight ? s.weights[j] : s.counts[j];
    uint64_t upto = sum;   // with all lanes below
    HST_DEVICE_UNROLL
    for (int step = 1; step < kWarp; step *= 2) {
      const uint64_t below = __shfl_up_sync(kFullMask, upto, step);
      if (static_cast<int>(threadIdx.x) >= step) upto += below;
    }
    if (upto >= need && upto - sum < need) {   // one lane
      uint64_t left = need - (upto - sum);
      int j = first;
      for (uint64_t value; (value = by_weight ? s.weights[j] : s.counts[j]) < left; ++j) left -= value;
      s.digit = static_cast<uint32_t>(j), s.digit_count = s.counts[j], s.digit_need = left;
    }
  }
  __syncthreads();
}

// The rank at which the listed tokens, in order, reach `need`: digit by digit, from the
// first bit in which two of them differ to where one is left.
HST_DEVICE uint64_t RankWhere(const SampledRow& r, int listed, bool by_weight, uint64_t need, SampleShared& s) {
  uint64_t low = ~uint64_t{0}, high = 0;
  for (int i = static_cast<int>(threadIdx.x); i < listed; i += kSampleThreads) {
    const uint64_t rank = r.RankOf(static_cast<int>(r.list[i]));
    low = rank < low ? rank : low, high = rank > high ? rank : high;
  }
  low = BlockMin(low, s), high = ~BlockMin(~high, s);
  int shift = low == high ? 0 : 64 - __clzll(static_cast<long long>(low ^ high));
  uint64_t prefix = shift == 64 ? 0 : low >> shift;
  while (shift > 0) {
    const int width = shift < kDigitBits ? shift : kDigitBits;
    shift -= width;
    for (int i = static_cast<int>(threadIdx.x); i < kDigits; i += kSampleThreads) s.counts[i] = 0, s.weights[i] = 0;
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < listed; i += kSampleThreads) {
      const int id = static_cast<int>(r.list[i]);
      const uint64_t rank = r.RankOf(id);
      if (rank >> shift >> width != prefix) continue;
      const int digit = static_cast<int>(rank >> shift & ((1u << width) - 1));
      atomicAdd(&s.counts[digit], 1u);
      if (by_weight) atomicAdd(&s.weights[digit], static_cast<unsigned long long>(Weight(r.e[id])));
    }
    __syncthreads();
    FindDigit(by_weight, need, s);
    prefix = prefix << width | s.digit, need = s.digit_need;
    if (s.digit_count == 1) break;
  }
  return prefix << shift | ((uint64_t{1} << shift) - 1);
}

// The cut where counts or weights, in order, reach `need`.
HST_DEVICE SampleCut CutWhere(const SampledRow& r, bool by_weight, uint64_t need, SampleShared& s) {
  const Reached at = BucketWhere(r, by_weight, need, s);
  const int listed = ListBucket(r, at.bucket, s);
  return {at.bucket, RankWhere(r, listed, by_weight, at.need, s)};
}

}  // namespace hasten::cuda
