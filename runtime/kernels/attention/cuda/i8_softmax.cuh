// The INT8 kernel between its two products: a half warp a pair, whose lanes are the
// definition's 16.
#pragma once

#include "runtime/kernels/attention/cuda/i8_pairs.cuh"
#include "runtime/kernels/attention/i8_numerics.h"
#include "runtime/kernels/attention/score.h"

namespace hasten::cuda {

// A page, weighed for a pair; a thread has the lane that is its own.
struct Weighed {
  float lane, e, down;
  bool any;   // the pair sees some key of it
};
// What the sums of values do to take a page in: sum = fma(page's, down, sum * old).
struct PageScales {
  float old, down;
};

// The rule by which sums of blocks and of splits are taken in.
HST_DEVICE float TakenIn(float x, float fresh, float sum, float old) { return Fma(x, fresh, sum * old); }

// Whether [lo, hi), of the pair's keys, has any of the page that begins at 0.
HST_DEVICE bool Sees(int lo, int hi) { return lo < kBlockKeys && hi > 0 && hi > lo; }

// Takes a page into the split's lane and reference.
HST_DEVICE PageScales TakePage(const Weighed& w, float& m, float& lane) {
  const Joined<float> joined = Join(m, w.e);
  if (w.any) lane = TakenIn(w.lane, joined.fresh, lane, joined.old);
  m = w.any ? joined.reference : m;
  return {w.any ? joined.old : 1.0f, w.any ? w.down * joined.fresh : 0.0f};
}

template <int kTiles, int kParts, int kTeams = 1>
struct I8Softmax : I8Threads<kTiles, kParts, kTeams> {
  using Threads = I8Threads<kTiles, kParts, kTeams>;
  using Threads::kRounds, Threads::Lane, Threads::PairOf;
  static constexpr int kTogether = kTiles == 1 ? 1 : 2;   // pairs of a half warp at a time: more would not fit the registers

  // From scores to integer weights; `key` is the page's first. take(pair, weighed): what is
  // done with the rest.
  template <class Take>
  static HST_DEVICE void Weigh(const AttentionArgs& a, const Chunk& c, const std::byte* scales, int key, float* y, std::byte* u,
                               const I8Pairs& p, const Take& take) {
    const bool shaped = a.shape.softcap != 0 || a.shape.slopes;
    const float* v_scale = reinterpret_cast<const float*>(scales) + kKvPageTokens;
    const bool whole = p.begin[c.pairs - 1] <= key && p.end[0] >= key + kBlockKeys;   // both ends ascend
    HST_DEVICE_ROLLED
    for (int round = 0; round < kRounds; round += kTogether) {
      if (PairOf(round) - Lane() / 16 * 4 >= c.pairs) break;   // of the warp's lanes alike
      if (shaped) {
        HST_DEVICE_ROLLED
        for (int i = 0; i < 4 * kTogether; ++i) Shape(a, c, key, Lane() % 16 + i % 4 * 16, PairOf(round + i / 4), y, p);
      }
      if (whole) WeighPairs<true>(round, key, shaped, v_scale, y, u, p, take);
      else WeighPairs<false>(round, key, shaped, v_scale, y, u, p, take);
    }
  }
  template <bool kWhole, class Take>
  static HST_DEVICE void WeighPairs(int round, int key, bool shaped, const float* v_scale, const float* y, std::byte* u,
                                    const I8Pairs& p, const Take& take) {
    HST_DEVICE_UNROLL
    for (int r = 0; r < kTogether; ++r) {
      const int pair = PairOf(round + r);
      take(pair, WeighPair<kWhole>(pair, key, shaped, v_scale, y, u, p));
    }
  }

  // Makes of y what ref_i8.h says of soft caps and slopes.
  static HST_DEVICE void Shape(const AttentionArgs& a, const Chunk& c, int key, int at, int pair, float* y, const I8Pairs& p) {
    float& x = y[pair * kYStride + at];
    x = ShapedScore(a.shape, p.slope[pair], x * p.scale[pair], c.Position(pair), key + at);
  }

  // kWhole: all pairs see all of the page.
  template <bool kWhole>
  static HST_DEVICE Weighed WeighPair(int pair, int key, bool shaped, const float* v_scale, const float* y, std::byte* u,
                                      const I8Pairs& p) {
    const int j = Lane() % 16, lo = p.begin[pair] - key, hi = p.end[pair] - key;
    const bool any = kWhole || Sees(lo, hi);
    const float factor = shaped ? kLog2E : p.scale[pair] * kLog2E;
    float x[4], top = -kInf;
    HST_DEVICE_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int at = j + 16 * i;
      x[i] = y[pair * kYStride + at];
      top = kWhole || (at >= lo && at < hi) ? Max(x[i], top) : top;
    }
    HST_DEVICE_UNROLL
    for (int i = 8; i >= 1; i /= 2) top = Max(__shfl_xor_sync(kFullMask, top, i), top);
    const float e = BlockReference(top, factor);
    float w[4], lane = 0.0f;
    uint32_t most = 0;
    HST_DEVICE_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int at = j + 16 * i;
      const bool seen = kWhole || (at >= lo && at < hi);   // the scales of keys not seen may be anything
      const float prob = seen ? Exp2Coarse(Fma(x[i], factor, -e)) : 0.0f;
      w[i] = seen ? prob * v_scale[at] : 0.0f;
      lane = i == 0 ? prob : lane + prob;
      most = Bits(w[i]) > most ? Bits(w[i]) : most;
    }
    HST_DEVICE_UNROLL
    for (int i = 8; i >= 1; i /= 2) {
      const uint32_t other = __shfl_xor_sync(kFullMask, most, i);
      most = other > most ? other : most;
    }
    const WeightScale<float> weights = ScaleOfWeights(FromBits<float>(most));
    HST_DEVICE_UNROLL
    for (int i = 0; i < 4; ++i) u[pair * kUStride + j + 16 * i] = static_cast<std::byte>(NearestInt(w[i] * weights.up) & 255);
    return {lane, e, weights.down, any};
  }

  // Takes the page into the split's sums, for a block of threads that goes page by page.
  static HST_DEVICE void TakeNow(int pair, const Weighed& w, const I8Pairs& p) {
    float m = p.m[pair];
    const PageScales scales = TakePage(w, m, p.lanes[pair * 16 + Lane() % 16]);
    __syncwarp();   // all lanes have read the reference
    if (Lane() % 16 != 0) return;
    p.m[pair] = m, p.old[pair] = scales.old, p.down[pair] = scales.down;
  }

  // The split from `split` on is over: its lanes go to the totals, or to the records.
  static HST_DEVICE void EndSplits(const AttentionCut& cut, const Chunk& c, int split, bool first, const I8Pairs& p) {
    __syncwarp();   // the last block's reference is there
    HST_DEVICE_ROLLED
    for (int round = 0; round < kRounds; ++round) {
      const int pair = PairOf(round);
      EndSplit(cut, c, split, first, pair, p.m[pair], p.lanes[pair * 16 + Lane() % 16], p);
      __syncwarp();
      BeginSplit(pair, p);
    }
  }
  static HST_DEVICE void EndSplit(const AttentionCut& cut, const Chunk& c, int split, bool first, int pair, float m, float lane,
                                  const I8Pairs& p) {
    const int j = Lane() % 16;
    if (cut.sums) {
      if (pair >= c.pairs) return;
      float* record = RecordOf(c, cut, split / static_cast<int>(kSplitKeys), pair) + cut.record - 32;
      record[j] = lane;
      if (j == 0) record[16] = m;
      return;
    }
    const bool any = p.begin[pair] < split + kSplitKeys && p.end[pair] > split;
    const float total_m = first ? -kInf : p.total_m[pair], total = first ? 0.0f : p.total_lanes[pair * 16 + j];
    const Joined<float> joined = Join(total_m, m);
    p.total_lanes[pair * 16 + j] = any ? TakenIn(lane, joined.fresh, total, joined.old) : total;
    __syncwarp();   // all lanes have read the references
    if (j != 0) return;
    p.total_m[pair] = any ? joined.reference : total_m;
    p.split_old[pair] = any ? joined.old : 1.0f, p.split_fresh[pair] = any ? joined.fresh : 0.0f;
  }
  static HST_DEVICE void BeginSplit(int pair, const I8Pairs& p) {
    p.lanes[pair * 16 + Lane() % 16] = 0.0f;
    if (Lane() % 16 == 0) p.m[pair] = -kInf;
  }
};

}  // namespace hasten::cuda
