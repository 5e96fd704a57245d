// attention over an fp16 or fp32 cache on a device, split by split; ref.cc has the
// definition. Its chains of fma have an order, so threads are keys in the scores and
// columns in the values, each for all pairs of the block: every number of the page is
// read once and used for kFloatPairs chains.
#pragma once

#include "runtime/kernels/attention/cuda/chunk.cuh"
#include "runtime/kernels/attention/score.h"

namespace hasten::cuda {

inline constexpr int kFloatPairs = 8;
inline constexpr int kFloatMostDim = 256;
inline constexpr int kFloatSplit = static_cast<int>(kSplitKeys);

HST_DEVICE float Widened(float x) { return x; }
HST_DEVICE float Widened(uint16_t x) { return HalfAsFloat(x); }

// What a pair has; in shared memory.
struct FloatPairs {
  int begin[kFloatPairs], end[kFloatPairs];   // the keys that it sees
  float m[kFloatPairs], sum[kFloatPairs];     // of the splits so far
  float old[kFloatPairs], fresh[kFloatPairs];
};

// T: a number of the cache. kThreads: 128 for up to so many columns, 256 for more.
template <class T, int kThreads>
struct FloatBlock {
  // Eight numbers of a key or of a dimension lie together.
  static HST_DEVICE void Eight(const float* from, float (&x)[kFloatPairs]) {
    const float4 a = reinterpret_cast<const float4*>(from)[0], b = reinterpret_cast<const float4*>(from)[1];
    x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w, x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
  }

  static HST_DEVICE void Begin(const AttentionArgs& a, const Chunk& c, float* q, FloatPairs& p) {
    const int dim = static_cast<int>(a.shape.head_dim);
    HST_DEVICE_ROLLED
    for (int pair = 0; pair < kFloatPairs; ++pair) {
      const bool live = pair < c.pairs;
      const float* from = live ? a.q + c.Row(pair) * a.q_stride + int64_t{c.Head(pair)} * dim : nullptr;
      HST_DEVICE_ROLLED
      for (int d = threadIdx.x; d < dim; d += kThreads) q[d * kFloatPairs + pair] = live ? from[d] : 0.0f;
      if (threadIdx.x != 0) continue;
      const KeyRange visible = live ? c.Visible(a.shape, pair) : KeyRange{0, 0};
      p.begin[pair] = static_cast<int>(visible.begin), p.end[pair] = static_cast<int>(visible.end);
      p.m[pair] = -kInf, p.sum[pair] = 0.0f;
    }
  }

  // Scores of the split's keys [begin, end), at s[key - split].
  static HST_DEVICE void Scores(const AttentionArgs& a, const Chunk& c, const KvLayout& l, int split, int begin, int end, const float* q,
                                float* s) {
    const int dim = static_cast<int>(a.shape.head_dim);
    for (int key = split + static_cast<int>(threadIdx.x); key < end; key += kThreads) {
      if (key < begin) continue;
      const T* k = reinterpret_cast<const T*>(HeadOf(l, PageOf(a, c, key), c.kv_head).k) + key % static_cast<int>(kKvPageTokens);
      float dot[kFloatPairs] = {};
      constexpr int kAhead = 8;   // numbers on the way at once
      for (int first = 0; first < dim; first += kAhead) {
        T x[kAhead];
        HST_DEVICE_UNROLL
        for (int i = 0; i < kAhead; ++i) x[i] = k[KeyIndex(first + i < dim ? first + i : first, 0)];
        HST_DEVICE_UNROLL
        for (int i = 0; i < kAhead; ++i) {
          if (first + i >= dim) continue;
          float each[kFloatPairs];
          Eight(q + (first + i) * kFloatPairs, each);
          HST_DEVICE_UNROLL
          for (int n = 0; n < kFloatPairs; ++n) dot[n] = Fma(each[n], Widened(x[i]), dot[n]);
        }
      }
      HST_DEVICE_UNROLL
      for (int n = 0; n < kFloatPairs; ++n) {
        const float slope = a.shape.slopes && n < c.pairs ? a.shape.slopes[c.Head(n)] : 0.0f;
        const int position = n < c.pairs ? c.Position(n) : 0;
        s[(key - split) * kFloatPairs + n] = ShapedScore(a.shape, slope, dot[n] * a.shape.scale, position, key);
      }
    }
  }

  // Probabilities of scores, a warp a pair; its maximum and denominator to the sums so
  // far, or to the records.
  static HST_DEVICE void Softmax(const AttentionCut& cut, const Chunk& c, int split, float* s, FloatPairs& p) {
    const int lane = threadIdx.x % kWarp;
    HST_DEVICE_ROLLED
    for (int pair = threadIdx.x / kWarp; pair < c.pairs; pair += kThreads / kWarp) {
      const int lo = p.begin[pair] - split, hi = p.end[pair] - split;
      if (lo >= kFloatSplit || hi <= 0) continue;   // of the warp alike
      float m = -kInf;
      for (int key = lane; key < kFloatSplit; key += kWarp)
        if (key >= lo && key < hi) m = Max(s[key * kFloatPairs + pair], m);
      HST_DEVICE_UNROLL
      for (int i = 16; i >= 1; i /= 2) m = Max(__shfl_xor_sync(kFullMask, m, i), m);
      for (int key = lane; key < kFloatSplit; key += kWarp)
        s[key * kFloatPairs + pair] = key >= lo && key < hi ? Exp(s[key * kFloatPairs + pair] - m) : 0.0f;
      __syncwarp();
      float sum = 0.0f;
      for (int key = lane % 16; key < kFloatSplit; key += 16) sum = sum + s[key * kFloatPairs + pair];
      sum = SumOf16(sum);
      if (lane == 0) Refer(cut, c, split, pair, m, sum, p);
    }
  }

  // One thread: joins a split with those before it.
  static HST_DEVICE void Refer(const AttentionCut& cut, const Chunk& c, int split, int pair, float m, float sum, FloatPairs& p) {
    if (cut.sums) {
      float* record = RecordOf(c, cut, split / kFloatSplit, pair) + cut.record - 32;
      record[0] = sum, record[16] = m;
      return;
    }
    if (p.begin[pair] >= split) {   // its first
      p.m[pair] = m, p.sum[pair] = sum;
      return;
    }
    const float top = Max(m, p.m[pair]), old = Exp(p.m[pair] - top), fresh = Exp(m - top);
    p.old[pair] = old, p.fresh[pair] = fresh, p.m[pair] = top;
    p.sum[pair] = Fma(sum, fresh, p.sum[pair] * old);
  }

  // acc += p v over keys [begin, end) of one page, whose values' column is v. A key that a
  // pair does not see must not reach it even as 0 * NaN.
  template <bool kWhole>
  static HST_DEVICE void AddValues(const T* v, int64_t v_cols, int begin, int end, int split, const float* s, const FloatPairs& p,
                                   float (&acc)[kFloatPairs]) {
    constexpr int kAhead = 4;
    for (int key = begin; key < end; key += kAhead) {
      T x[kAhead];
      HST_DEVICE_UNROLL
      for (int i = 0; i < kAhead; ++i) x[i] = v[(key + i < end ? key + i : key) % static_cast<int>(kKvPageTokens) * v_cols];
      HST_DEVICE_UNROLL
      for (int i = 0; i < kAhead; ++i) {
        if (key + i >= end) continue;
        float prob[kFloatPairs];
        Eight(s + (key + i - split) * kFloatPairs, prob);
        HST_DEVICE_UNROLL
        for (int n = 0; n < kFloatPairs; ++n)
          if (kWhole || (key + i >= p.begin[n] && key + i < p.end[n])) acc[n] = Fma(prob[n], Widened(x[i]), acc[n]);
      }
    }
  }

  static HST_DEVICE void Values(const AttentionArgs& a, const Chunk& c, const KvLayout& l, int split, int begin, int end,
                                const float* s, const FloatPairs& p, float (&acc)[kFloatPairs]) {
    constexpr int kPage = static_cast<int>(kKvPageTokens);
    for (int key = begin; key < end; key = (key / kPage + 1) * kPage) {
      const int page_end = (key / kPage + 1) * kPage, stop = page_end < end ? page_end : end;
      const T* v = reinterpret_cast<const T*>(HeadOf(l, PageOf(a, c, key), c.kv_head).v) + threadIdx.x;
      // Both ends of what pairs see ascend.
      const bool whole = p.end[0] >= stop && p.begin[c.pairs - 1] <= key;
      if (whole) AddValues<true>(v, l.v_cols, key, stop, split, s, p, acc);
      else AddValues<false>(v, l.v_cols, key, stop, split, s, p, acc);
    }
  }

  // The split's values to those of the splits before it, or to the records.
  static HST_DEVICE void Join(const AttentionCut& cut, const Chunk& c, int split, const FloatPairs& p,
                              const float (&acc)[kFloatPairs], float (&sum)[kFloatPairs]) {
    HST_DEVICE_UNROLL
    for (int n = 0; n < kFloatPairs; ++n) {
      if (n >= c.pairs || p.begin[n] >= split + kFloatSplit || p.end[n] <= split) continue;
      if (cut.sums) RecordOf(c, cut, split / kFloatSplit, n)[threadIdx.x] = acc[n];
      else sum[n] = p.begin[n] >= split ? acc[n] : Fma(acc[n], p.fresh[n], sum[n] * p.old[n]);
    }
  }

  static HST_DEVICE void Run(const AttentionArgs& a, const AttentionCut& cut, std::byte* shared, FloatPairs& p) {
    const Chunk c = ChunkOfBlock(a, cut);
    const BlockKeys keys = KeysOfBlock(c, cut);
    if (keys.empty()) return;
    const KvLayout l = LayoutOf(a.shape);
    float *s = reinterpret_cast<float*>(shared), *q = s + kFloatSplit * kFloatPairs;
    const bool column = threadIdx.x < l.v_cols;
    Begin(a, c, q, p);
    __syncthreads();
    float sum[kFloatPairs] = {};
    for (int split = keys.begin / kFloatSplit * kFloatSplit; split < keys.end; split += kFloatSplit) {
      const int begin = keys.begin > split ? keys.begin : split;
      const int end = keys.end < split + kFloatSplit ? keys.end : split + kFloatSplit;
      Scores(a, c, l, split, begin, end, q, s);
      __syncthreads();
      Softmax(cut, c, split, s, p);
      __syncthreads();
      if (column) {
        float acc[kFloatPairs] = {};
        Values(a, c, l, split, begin, end, s, p, acc);
        Join(cut, c, split, p, acc, sum);
      }
      __syncthreads();   // before the next scores
    }
    if (cut.sums || threadIdx.x >= a.shape.v_head_dim) return;
    HST_DEVICE_UNROLL
    for (int n = 0; n < kFloatPairs; ++n)
      if (n < c.pairs) a.out[c.Row(n) * a.out_stride + c.Head(n) * a.shape.v_head_dim + threadIdx.x] = sum[n] * (1.0f / p.sum[n]);
  }
};

constexpr size_t FloatSharedBytes(int64_t head_dim) {
  return static_cast<size_t>(kFloatSplit + head_dim) * kFloatPairs * sizeof(float);
}

template <class T, int kThreads>
__global__ void __launch_bounds__(kThreads, 512 / kThreads) FloatKernel(AttentionArgs a, AttentionCut cut) {
  HST_DYNAMIC_SHARED(shared);
  HST_SHARED(FloatPairs, pairs, 1);
  WaitForPrevious();
  FloatBlock<T, kThreads>::Run(a, cut, shared, pairs[0]);
}

}  // namespace hasten::cuda
