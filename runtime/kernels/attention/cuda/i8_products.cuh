// The two products of attention over an INT8 cache, on the tensor cores, and what is around
// them: pages and queries to shared memory, results out of it.
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

// The page of `key`, by a team's threads: its keys, and the rest.
HST_DEVICE PageHead<const std::byte> I8PageOf(const AttentionArgs& a, const Chunk& c, int key) {
  return HeadOf(LayoutOf(a.shape), PageOf(a, c, key), c.kv_head);
}
template <class Threads>
HST_DEVICE void FetchKeys(const AttentionShape& shape, const PageHead<const std::byte>& page, std::byte* to) {
  const int k_pieces = static_cast<int>(shape.head_dim + 3) / 4 * 16;
  HST_DEVICE_ROLLED   // copies need no registers while they are on the way, their addresses would
  for (int i = Threads::Thread(); i < k_pieces; i += Threads::kThreads)
    CopyToShared(to + i / 16 * 256 + Exchanged(i % 16, i / 16) * 16, page.k + i * 16, true);
}
template <class Threads>
HST_DEVICE void FetchValues(const AttentionShape& shape, const I8Shared& at, const PageHead<const std::byte>& page, std::byte* to) {
  const int v_pieces = static_cast<int>(shape.v_head_dim + 15) / 16 * 4, thread = Threads::Thread();
  HST_DEVICE_ROLLED
  for (int row = Threads::Warp(); row < 16; row += Threads::kWarps)
    HST_DEVICE_ROLLED
    for (int i = Threads::Lane(); i < v_pieces; i += kWarp)
      CopyToShared(to + at.v + row * at.v_stride + Exchanged(i, row) * 16, page.v + (row * v_pieces + i) * 16, true);
  if (thread < 32) CopyToShared(to + at.scales + thread * 16, page.scales + thread * 16, true);
}

// Quantizes the queries, a warp each.
template <int kPairs, int kThreads>
HST_DEVICE void Queries(const AttentionArgs& a, const Chunk& c, const I8Shared& at, std::byte* q8, const I8Pairs& p) {
  const int dim = static_cast<int>(a.shape.head_dim), lane = static_cast<int>(threadIdx.x) % kWarp;
  HST_DEVICE_ROLLED
  for (int pair = static_cast<int>(threadIdx.x) / kWarp; pair < kPairs; pair += kThreads / kWarp) {
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

// y of the page's keys: a team's warp takes half of them and kStripTiles of 8 pairs.
template <class Threads>
HST_DEVICE void Scores(const I8Shared& at, const std::byte* page, const std::byte* q8, float* y, const I8Pairs& p,
                              int pairs) {
  constexpr int kStripTiles = Threads::kStripTiles;
  const int half = Threads::Warp() % 2, first = Threads::Warp() / 2 * kStripTiles * 8;
  const int g = Threads::Lane() / 4, t = Threads::Lane() % 4;
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

// A pair's weights as both steps' operand A: rows are the pair and the one 8 below it.
HST_DEVICE void LoadWeights(const std::byte* u, int pair, int t, uint32_t (&weights)[2][4]) {
  HST_DEVICE_UNROLL
  for (int step = 0; step < 2; ++step) {
    const uint2 low = *reinterpret_cast<const uint2*>(u + pair * kUStride + step * 32 + t * 8);
    const uint2 high = *reinterpret_cast<const uint2*>(u + (pair + 8) * kUStride + step * 32 + t * 8);
    weights[step][0] = low.x, weights[step][1] = high.x, weights[step][2] = low.y, weights[step][3] = high.y;
  }
}

// The rows' results, of totals in `sums`.
template <int kPairs, int kThreads>
HST_DEVICE void WriteRows(const AttentionArgs& a, const Chunk& c, const I8Shared& at, const float* sums, const I8Pairs& p) {
  const int thread = NotBefore(static_cast<int>(threadIdx.x));
  HST_DEVICE_ROLLED
  for (int pair = thread / 16; pair < kPairs; pair += kThreads / 16) {   // of the warp's lanes alike
    const float sum = SumOf16(p.total_lanes[pair * 16 + thread % 16]);
    if (thread % 16 == 0) p.inverse[pair] = 1.0f / sum;
  }
  __syncthreads();
  HST_DEVICE_ROLLED
  for (int pair = thread / kWarp; pair < c.pairs; pair += kThreads / kWarp) {
    float* out = a.out + c.Row(pair) * a.out_stride + c.Head(pair) * a.shape.v_head_dim;
    for (int d = thread % kWarp; d < a.shape.v_head_dim; d += kWarp) out[d] = Normalized(sums[pair * at.sum_stride + d], p.inverse[pair]);
  }
}

}  // namespace hasten::cuda
