// attention over an INT8 cache on a device, block of 64 keys by block, on the tensor
// cores; ref_i8.h has the definition, this its order of work.
//
// Both products take the page as it lies. Scores: keys (unsigned) are A and queries B, so
// that 4 dimensions of a key are a register; values: integer weights are A and values B,
// so that 4 keys of a column are one. Which key or column a row or column of an operand
// stands for is free: it is chosen so that a lane reads 16 bytes at once, of a page that
// came to shared memory ahead of its use. Between the two products a half warp takes a
// pair: its lanes are the definition's 16.
#pragma once

#include "runtime/kernels/attention/cuda/i8_softmax.cuh"

namespace hasten::cuda {

inline constexpr int kI8MostDim = 256;
static_assert(kI8MostDim * 128 * 127 <= kMostDot && 64 * 255 * 128 <= kMostDot);   // scores, and sums of a page's values

// kTiles: tensor-core tiles of 16 pairs; kParts: warps that share a tile's columns;
// kColumns: runs of 32 columns that each of them has; kPages: pages in shared memory.
template <int kTiles, int kParts, int kColumns, int kPages>
struct I8Block : I8Threads<kTiles, kParts> {
  using Threads = I8Threads<kTiles, kParts>;
  using Softmax = I8Softmax<kTiles, kParts>;
  using Threads::kPairs, Threads::kWarps, Threads::kThreads, Threads::kRounds, Threads::Warp, Threads::Lane, Threads::PairOf;
  static constexpr int kStripTiles = 4 * kTiles / kWarps;    // 8 pairs each, that a warp scores against half of the keys

  // The split's values of 2 pairs in 8 columns.
  using Values = float[kColumns][16];

  static HST_DEVICE void Fetch(const AttentionArgs& a, const Chunk& c, const I8Shared& at, int key, std::byte* to) {
    const PageHead<const std::byte> page = HeadOf(LayoutOf(a.shape), PageOf(a, c, key), c.kv_head);
    const int k_pieces = static_cast<int>(a.shape.head_dim + 3) / 4 * 16;
    const int v_pieces = static_cast<int>(a.shape.v_head_dim + 15) / 16 * 4;
    HST_DEVICE_ROLLED   // copies need no registers while they are on the way, their addresses would
    for (int i = threadIdx.x; i < k_pieces; i += kThreads)
      CopyToShared(to + i / 16 * 256 + Exchanged(i % 16, i / 16) * 16, page.k + i * 16, true);
    HST_DEVICE_ROLLED
    for (int row = Warp(); row < 16; row += kWarps)
      HST_DEVICE_ROLLED
      for (int i = Lane(); i < v_pieces; i += kWarp)
        CopyToShared(to + at.v + row * at.v_stride + Exchanged(i, row) * 16, page.v + (row * v_pieces + i) * 16, true);
    if (threadIdx.x < 32) CopyToShared(to + at.scales + threadIdx.x * 16, page.scales + threadIdx.x * 16, true);
  }

  // Quantizes the queries, a warp each.
  static HST_DEVICE void Queries(const AttentionArgs& a, const Chunk& c, const I8Shared& at, std::byte* q8, const I8Pairs& p) {
    const int dim = static_cast<int>(a.shape.head_dim), lane = Lane();
    HST_DEVICE_ROLLED
    for (int pair = Warp(); pair < kPairs; pair += kWarps) {
      uint32_t* to = reinterpret_cast<uint32_t*>(q8 + pair * at.q_stride);
      const bool live = pair < c.pairs;
      const float* q = live ? a.q + c.Row(pair) * a.q_stride + int64_t{c.Head(pair)} * dim : nullptr;
      uint32_t most = 0;
      for (int d = lane; live && d < dim; d += kWarp) {
        const uint32_t bits = Bits(q[d]) & 0x7fffffffu;
        most = bits > most ? bits : most;
      }
      HST_DEVICE_UNROLL
      for (int i = 16; i >= 1; i /= 2) {
        const uint32_t other = __shfl_xor_sync(kFullMask, most, i);
        most = other > most ? other : most;
      }
      const float scale = ScaleOfMost(most);
      int sum = 0;
      HST_DEVICE_ROLLED
      for (int word = lane; word < at.k_rows; word += kWarp) {
        uint32_t four = 0;
        HST_DEVICE_UNROLL
        for (int i = 0; i < 4; ++i) {
          const int d = 4 * word + i;
          const int32_t x = live && d < dim ? QuantizeToI8(q[d], scale) : 0;
          four |= (static_cast<uint32_t>(x) & 255u) << (8 * i);
        }
        to[word] = four;
        sum = DotS8S8(four, 0x01010101u, sum);
      }
      HST_DEVICE_UNROLL
      for (int i = 16; i >= 1; i /= 2) sum += __shfl_xor_sync(kFullMask, sum, i);
      if (lane != 0) continue;
      const KeyRange visible = live ? c.Visible(a.shape, pair) : KeyRange{0, 0};
      p.begin[pair] = static_cast<int>(visible.begin), p.end[pair] = static_cast<int>(visible.end);
      p.offset[pair] = kDotOrigin - 128 * sum;
      p.scale[pair] = scale * a.shape.scale;
      p.slope[pair] = live && a.shape.slopes ? a.shape.slopes[c.Head(pair)] : 0.0f;
    }
  }

  // y of the page's keys: a warp takes half of them and kStripTiles of 8 pairs.
  static HST_DEVICE void Scores(const I8Shared& at, const std::byte* page, const std::byte* q8, float* y, const I8Pairs& p,
                                int pairs) {
    const int half = Warp() % 2, first = Warp() / 2 * kStripTiles * 8, g = Lane() / 4, t = Lane() % 4;
    if (first >= pairs) return;
    int32_t dots[2][kStripTiles][4] = {};
    for (int step = 0; step < at.k_rows; step += 8) {
      const int row = step + 2 * t, piece = Exchanged(8 * half + g, row) * 16;
      const uint4 k0 = *reinterpret_cast<const uint4*>(page + row * 256 + piece);
      const uint4 k1 = *reinterpret_cast<const uint4*>(page + (row + 1) * 256 + piece);
      const uint32_t even[4] = {k0.x, k0.y, k1.x, k1.y}, odd[4] = {k0.z, k0.w, k1.z, k1.w};
      HST_DEVICE_UNROLL
      for (int n = 0; n < kStripTiles; ++n) {
        const uint2 q = *reinterpret_cast<const uint2*>(q8 + (first + 8 * n + g) * at.q_stride + row * 4);
        const uint32_t two[2] = {q.x, q.y};
        MmaU8S8(dots[0][n], even, two);
        MmaU8S8(dots[1][n], odd, two);
      }
    }
    const int key = 32 * half + 4 * g;
    const float4 s = *reinterpret_cast<const float4*>(page + at.scales + key * 4);
    HST_DEVICE_UNROLL
    for (int n = 0; n < kStripTiles; ++n)
      HST_DEVICE_UNROLL
      for (int i = 0; i < 2; ++i) {
        const int pair = first + 8 * n + 2 * t + i, offset = p.offset[pair];
        *reinterpret_cast<float4*>(y + pair * kYStride + key) =
            make_float4(DotFromOrigin(dots[0][n][i] + offset) * s.x, DotFromOrigin(dots[0][n][2 + i] + offset) * s.y,
                        DotFromOrigin(dots[1][n][i] + offset) * s.z, DotFromOrigin(dots[1][n][2 + i] + offset) * s.w);
      }
  }

  // The columns and the pair of a thread in the values; it also has the pair 8 below.
  static HST_DEVICE int ColumnOf(int thread, int run) { return (thread / kWarp / kTiles + run * kParts) * 32; }
  static HST_DEVICE int TilePair(int thread) { return thread / kWarp % kTiles * 16 + thread % kWarp / 4; }

  // Takes the weighted values of the page into the split's.
  static HST_DEVICE void AddValues(const I8Shared& at, const std::byte* page, const std::byte* u, const I8Pairs& p, int v_cols,
                                   Values& values) {
    const int thread = static_cast<int>(threadIdx.x), g = Lane() / 4, t = Lane() % 4, pair = TilePair(thread);
    uint32_t weights[2][4];
    HST_DEVICE_UNROLL
    for (int step = 0; step < 2; ++step) {
      const uint2 low = *reinterpret_cast<const uint2*>(u + pair * kUStride + step * 32 + t * 8);
      const uint2 high = *reinterpret_cast<const uint2*>(u + (pair + 8) * kUStride + step * 32 + t * 8);
      weights[step][0] = low.x, weights[step][1] = high.x, weights[step][2] = low.y, weights[step][3] = high.y;
    }
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
          value = Fma(DotFromOrigin(dots[n][i]), down[i / 2], value * old[i / 2]);
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
      sum = make_float4(Fma(v[4 * i], fresh, was.x * old), Fma(v[4 * i + 1], fresh, was.y * old),
                        Fma(v[4 * i + 2], fresh, was.z * old), Fma(v[4 * i + 3], fresh, was.w * old));
    }
  }

  // The rows' results, of totals in `sums`.
  static HST_DEVICE void Write(const AttentionArgs& a, const Chunk& c, const I8Shared& at, const float* sums, const I8Pairs& p) {
    HST_DEVICE_ROLLED
    for (int r = 0; r < kRounds; ++r) {
      const float sum = SumOf16(p.total_lanes[PairOf(r) * 16 + Lane() % 16]);
      if (Lane() % 16 == 0) p.inverse[PairOf(r)] = 1.0f / sum;
    }
    __syncthreads();
    HST_DEVICE_ROLLED
    for (int pair = Warp(); pair < c.pairs; pair += kWarps) {
      float* out = a.out + c.Row(pair) * a.out_stride + c.Head(pair) * a.shape.v_head_dim;
      for (int d = Lane(); d < a.shape.v_head_dim; d += kWarp) out[d] = Normalized(sums[pair * at.sum_stride + d], p.inverse[pair]);
    }
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
    Queries(a, c, at, shared + at.q, p);
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
      Scores(at, page, shared + at.q, y, p, c.pairs);
      __syncthreads();
      const bool last = key + kKeys >= keys.end || (key + kKeys) % kSplit == 0;
      const int split = key / kSplit * kSplit;
      Softmax::Weigh(a, c, page + at.scales, key, y, shared + at.u, p);
      if (last) Softmax::EndSplit(cut, c, split, first, p);
      __syncthreads();
      if (Warp() % kTiles * 16 < c.pairs) {
        AddValues(at, page, shared + at.u, p, v_cols, values);
        if (last) AddSplit(cut, c, at, sums, split, first, p, v_cols, values);
      }
      if (last) first = false;
      slot = slot + 1 == kPages ? 0 : slot + 1;
    }
    if (!cut.sums) Write(a, c, at, sums, p);
  }
};

template <int kTiles, int kParts, int kColumns, int kPages, int kBlocks>
__global__ void __launch_bounds__(kTiles * kParts * 32, kBlocks) I8Kernel(AttentionArgs a, AttentionCut cut) {
  HST_DYNAMIC_SHARED(shared);
  WaitForPrevious();
  I8Block<kTiles, kParts, kColumns, kPages>::Run(a, cut, shared);
}

}  // namespace hasten::cuda
