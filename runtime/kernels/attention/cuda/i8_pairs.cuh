// The INT8 kernel's block of threads: what it has in shared memory, and which thread
// works for which pair.
#pragma once

#include "runtime/kernels/attention/cuda/chunk.cuh"

namespace hasten::cuda {

inline constexpr int kYStride = 68;      // floats: the scores' stores and loads meet no bank twice
inline constexpr int kUStride = 96;      // bytes, likewise
inline constexpr int kPairWords = 12 + 2 * 16;   // of I8Pairs

// In place of a pair's scores, where teams have weighed a page each: 16 lanes, then this.
inline constexpr int kPageReference = 16, kPageDown = 17;
inline constexpr int kPageScales = 18;   // two, for the values' sums: of those before the page, and of its own

// Where things are in shared memory.
struct I8Shared {
  int k_rows;         // words (4 dimensions) of a key, up to a multiple of 8
  int v_stride;       // bytes of 4 keys' values, columns up to a multiple of 32
  int v, scales;      // of a page, whose keys come first
  int page;           // bytes
  int q_stride;       // bytes of a pair's query
  int sum_stride;     // floats of a pair's values
  int y, u, pages, q, sums;   // behind what I8Pairs has
  int bytes;
};
// pages: so many on the way; sums: whether the splits' values are summed there; teams: so
// many have scores and weights of their own, of a page each.
HST_MATH I8Shared I8SharedOf(const AttentionShape& shape, int pairs, int pages, bool sums, int teams = 1) {
  const int head_dim = static_cast<int>(shape.head_dim), v_head_dim = static_cast<int>(shape.v_head_dim);
  I8Shared s{};
  s.k_rows = (head_dim + 31) / 32 * 8;
  const int v_cols = (v_head_dim + 15) / 16 * 16;
  s.v_stride = (v_cols + 31) / 32 * 128;
  s.v = s.k_rows * 256;
  s.scales = s.v + 16 * s.v_stride;
  s.page = s.scales + 512;
  s.q_stride = (s.k_rows / 8 | 1) * 32;
  s.sum_stride = v_cols + 4;
  // Those whose place is known to the compiler come first.
  s.y = pairs * kPairWords * 4;
  s.u = s.y + teams * pairs * kYStride * 4;
  s.pages = s.u + teams * pairs * kUStride;
  s.q = s.pages + s.page * pages;
  s.sums = s.q + pairs * s.q_stride;
  s.bytes = s.sums + (sums ? pairs * s.sum_stride * 4 : 0);
  return s;
}

// What a pair has beside its row of the arrays above.
struct I8Pairs {
  int *begin, *end;          // the keys that it sees
  int* offset;               // makes up for the keys' 128, and takes a score to kDotOrigin
  float *scale, *slope;      // c of the definition; the head's slope
  float *old, *down;         // of a block: values = fma(u . v, down, values * old)
  float *split_old, *split_fresh;   // of a split
  float* inverse;
  float *m, *total_m;               // the references of the split and of those before it
  float *lanes, *total_lanes;       // and their 16 lanes a pair
};
HST_DEVICE I8Pairs I8PairsAt(std::byte* at, int pairs) {
  int* i = reinterpret_cast<int*>(at);
  float* f = reinterpret_cast<float*>(at);
  const auto floats = [&](int n) { return f + n * pairs; };
  return {i, i + pairs, i + 2 * pairs, floats(3), floats(4), floats(5), floats(6), floats(7), floats(8), floats(9), floats(10), floats(11),
          floats(12), floats(28)};
}

// The 16-byte pieces of a row are exchanged by its number, so that the four rows that a
// quarter of a warp reads lie in different banks.
HST_DEVICE int Exchanged(int piece, int row) { return piece ^ (row >> 1 & 3) << 1; }

// kTiles: tensor-core tiles of 16 pairs; kParts: warps that share a tile's columns;
// kTeams: pages that are worked on at once, each by so many threads.
template <int kTiles, int kParts, int kTeams = 1>
struct I8Threads {
  static constexpr int kPairs = 16 * kTiles;
  static constexpr int kWarps = kTiles * kParts;              // of a team
  static constexpr int kThreads = kWarp * kWarps;             // likewise
  static constexpr int kStripTiles = 4 * kTiles / kWarps;    // 8 pairs each, that a warp scores against half of a page's keys
  static constexpr int kRounds = kPairs / (2 * kWarps);      // of half warps over pairs

  static HST_DEVICE int Team() { return static_cast<int>(threadIdx.x) / kThreads; }
  static HST_DEVICE int Thread() { return static_cast<int>(kTeams == 1 ? threadIdx.x : threadIdx.x % kThreads); }
  static HST_DEVICE int Warp() { return Thread() / kWarp; }
  static HST_DEVICE int Lane() { return static_cast<int>(threadIdx.x) % kWarp; }
  // The pair of this half warp: those of a warp are 4 apart for the banks' sake.
  static HST_DEVICE int PairOf(int round) {
    const int unit = Warp() + kWarps * round;
    return unit / 4 * 8 + unit % 4 + Lane() / 16 * 4;
  }
};

}  // namespace hasten::cuda
