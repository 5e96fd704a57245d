// attention over an INT8 cache on a device, block of 64 keys by block; ref_i8.h has the
// definition, this its order of work. While a page is worked on, those behind it are on
// the way.
#pragma once

#include "runtime/kernels/attention/cuda/i8_products.cuh"

namespace hasten::cuda {

// kTiles: tensor-core tiles of 16 pairs; kParts: warps that share a tile's columns;
// kColumns: runs of 32 columns that each of them has; kPages: pages in shared memory.
template <int kTiles, int kParts, int kColumns, int kPages>
struct I8Block : I8Threads<kTiles, kParts> {
  using Threads = I8Threads<kTiles, kParts>;
  using Softmax = I8Softmax<kTiles, kParts>;
  using Threads::kPairs, Threads::kWarps, Threads::kThreads, Threads::kRounds, Threads::Warp, Threads::Lane, Threads::PairOf;

  // The split's values of 2 pairs in 8 columns.
  using Values = float[kColumns][16];

  // The columns and the pair of a thread in the values; it also has the pair 8 below.
  static HST_DEVICE int ColumnOf(int thread, int run) { return (thread / kWarp / kTiles + run * kParts) * 32; }
  static HST_DEVICE int TilePair(int thread) { return thread / kWarp % kTiles * 16 + thread % kWarp / 4; }

  // Takes the weighted values of the page into the split's.
  static HST_DEVICE void AddValues(const I8Shared& at, const std::byte* page, const std::byte* u, const I8Pairs& p, int v_cols,
                                   Values& values) {
    const int thread = static_cast<int>(threadIdx.x), g = Lane() / 4, t = Lane() % 4, pair = TilePair(thread);
    uint32_t weights[2][4];
    LoadWeights(u, pair, t, weights);
    const float old[2] = {p.old[pair], p.old[pair + 8]}, down[2] = {p.down[pair], p.down[pair + 8]};
    HST_DEVICE_UNROLL
    for (int run = 0; run < kColumns; ++run) {
      const int first = ColumnOf(thread, run);
      if (first >= v_cols) continue;   // of the warp's lanes alike
      int32_t dots[4][4];
      HST_DEVICE_UNROLL
      for (int i = 0; i < 16; ++i) dots[i / 4][i % 4] = kDotOrigin;
      HST_DEVICE_UNROLL
      for (int step = 0; step < 2; ++step) {
        const int row = 8 * step + 2 * t;
        const std::byte* from = page + at.v + row * at.v_stride + Exchanged(first / 4 + g, row) * 16;
        const uint4 v0 = *reinterpret_cast<const uint4*>(from), v1 = *reinterpret_cast<const uint4*>(from + at.v_stride);
        const uint32_t columns[4][2] = {{v0.x, v1.x}, {v0.y, v1.y}, {v0.z, v1.z}, {v0.w, v1.w}};
        HST_DEVICE_UNROLL
        for (int n = 0; n < 4; ++n) MmaU8S8(dots[n], weights[step], columns[n]);
      }
      // Column 2t of tile n is the lane's n-th, column 2t + 1 the 4 + n-th of its 8.
      HST_DEVICE_UNROLL
      for (int n = 0; n < 4; ++n)
        HST_DEVICE_UNROLL
        for (int i = 0; i < 4; ++i) {
          float& value = values[run][i / 2 * 8 + i % 2 * 4 + n];
          value = TakenIn(DotFromOrigin(dots[n][i]), down[i / 2], value, old[i / 2]);
        }
    }
  }

  // The split's values go to the totals in `sums`, or to the records.
  static HST_DEVICE void AddSplit(const AttentionCut& cut, const Chunk& c, const I8Shared& at, float* sums, int split, bool first,
                                  const I8Pairs& p, int v_cols, Values& values) {
    const int thread = NotBefore(static_cast<int>(threadIdx.x));
    HST_DEVICE_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int pair = TilePair(thread) + 8 * half;
      if (pair >= c.pairs) continue;
      float* record = cut.sums ? RecordOf(c, cut, split / static_cast<int>(kSplitKeys), pair) : nullptr;
      HST_DEVICE_UNROLL
      for (int run = 0; run < kColumns; ++run) {
        const int col = ColumnOf(thread, run) + thread % 4 * 8;
        if (col >= v_cols) continue;
        if (record) Keep(values[run] + 8 * half, record + col);
        else AddEight(values[run] + 8 * half, p.split_old[pair], p.split_fresh[pair], first, sums + pair * at.sum_stride + col);
      }
    }
    HST_DEVICE_UNROLL
    for (int run = 0; run < kColumns; ++run)
      HST_DEVICE_UNROLL
      for (int i = 0; i < 16; ++i) values[run][i] = 0.0f;
  }
  static HST_DEVICE void Keep(const float* v, float* to) {
    HST_DEVICE_UNROLL
    for (int i = 0; i < 2; ++i) reinterpret_cast<float4*>(to)[i] = make_float4(v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]);
  }
  static HST_DEVICE void AddEight(const float* v, float old, float fresh, bool first, float* to) {
    HST_DEVICE_UNROLL
    for (int i = 0; i < 2; ++i) {
      float4& sum = reinterpret_cast<float4*>(to)[i];
      const float4 was = first ? make_float4(0.0f, 0.0f, 0.0f, 0.0f) : sum;
      sum = make_float4(TakenIn(v[4 * i], fresh, was.x, old), TakenIn(v[4 * i + 1], fresh, was.y, old),
                        TakenIn(v[4 * i + 2], fresh, was.z, old), TakenIn(v[4 * i + 3], fresh, was.w, old));
    }
  }

  static HST_DEVICE void Fetch(const AttentionArgs& a, const Chunk& c, const I8Shared& at, int key, std::byte* to) {
    const PageHead<const std::byte> page = I8PageOf(a, c, key);
    FetchKeys<Threads>(a.shape, page, to);
    FetchValues<Threads>(a.shape, at, page, to);
  }

  static HST_DEVICE void Run(const AttentionArgs& a, const AttentionCut& cut, std::byte* shared) {
    const Chunk c = ChunkOfBlock(a, cut);
    const BlockKeys keys = KeysOfBlock(c, cut);
    if (keys.empty()) return;
    const I8Shared at = I8SharedOf(a.shape, kPairs, kPages, !cut.sums);
    const int v_cols = at.sum_stride - 4;
    float *y = reinterpret_cast<float*>(shared + at.y), *sums = reinterpret_cast<float*>(shared + at.sums);
    const I8Pairs p = I8PairsAt(shared, kPairs);
    constexpr int kKeys = static_cast<int>(kBlockKeys), kSplit = static_cast<int>(kSplitKeys);
    const int from = keys.begin / kKeys * kKeys;
    HST_DEVICE_UNROLL
    for (int i = 0; i < kPages - 1; ++i) {
      if (from + i * kKeys < keys.end) Fetch(a, c, at, from + i * kKeys, shared + at.pages + i * at.page);
      CommitCopies();
    }
    Queries<kPairs, kThreads>(a, c, at, shared + at.q, p);
    for (int round = 0; round < kRounds; ++round) Softmax::BeginSplit(PairOf(round), p);   // what a half warp alone touches
    Values values = {};
    bool first = true;   // no split is in the totals yet
    int slot = 0;
    for (int key = from; key < keys.end; key += kKeys) {
      const std::byte* page = shared + at.pages + slot * at.page;
      WaitCopies<kPages - 2>();
      __syncthreads();   // this page is there for all, and none reads the one before it any more
      const int ahead = key + (kPages - 1) * kKeys, free = slot == 0 ? kPages - 1 : slot - 1;
      if (ahead < keys.end) Fetch(a, c, at, ahead, shared + at.pages + free * at.page);
      CommitCopies();
      Scores<Threads>(at, page, shared + at.q, y, p, c.pairs);
      __syncthreads();
      const bool last = key + kKeys >= keys.end || (key + kKeys) % kSplit == 0;
      const int split = NotBefore(key) / kSplit * kSplit;   // 128 registers are just enough
      const auto take = [&](int pair, const Weighed& w) { Softmax::TakeNow(pair, w, p); };
      Softmax::Weigh(a, c, page + at.scales, key, y, shared + at.u, p, take);
      if (last) Softmax::EndSplits(cut, c, split, first, p);
      __syncthreads();
      if (Warp() % kTiles * 16 < c.pairs) {
        AddValues(at, page, shared + at.u, p, v_cols, values);
        if (last) AddSplit(cut, c, at, sums, split, first, p, v_cols, values);
      }
      if (last) first = false;
      slot = slot + 1 == kPages ? 0 : slot + 1;
    }
    if (!cut.sums) WriteRows<kPairs, kThreads>(a, c, at, sums, p);
  }
};

template <int kTiles, int kParts, int kColumns, int kPages, int kBlocks>
__global__ void __launch_bounds__(kTiles * kParts * 32, kBlocks) I8Kernel(AttentionArgs a, AttentionCut cut) {
  HST_DYNAMIC_SHARED(shared);
  WaitForPrevious();
  I8Block<kTiles, kParts, kColumns, kPages>::Run(a, cut, shared);
}

}  // namespace hasten::cuda
