// Many rows of x against integer weights, on the tensor cores: a block of four warps for
// 64 rows of W by kCols of x, a warp 32 by half of them. Codes are made signed, less their
// zero-points, where they leave shared memory: with many columns that costs less than a
// correction of every sum. Stages of 64 elements of K are copied ahead of use. A run's
// products go into the segment's sums in the definition's order. Finished segments wait
// for their halving on a stack that holds every thread's own sums: what is written most
// often in shared memory, the levels below, seldom used, in the queue's scratch. That has
// room for the blocks that run at once, so a block goes from tile to tile. Where there
// are fewer tiles than processors, a tile's subtrees of segments are work of their own,
// and a second kernel adds them.
#pragma once

#include "runtime/kernels/cuda/sums.cuh"
#include "runtime/kernels/linear/cuda/integer.cuh"

namespace hasten::cuda {

inline constexpr int kGemmThreads = 128;
inline constexpr int kGemmBlocks = kGemmThreads / kWarp;   // of 16 rows of W
inline constexpr int kGemmSharedLevels = 2;   // at most
inline constexpr int kGemmMostSplit = 2;      // as a power of two: parts of a tile's segments

// kTiles: of 8 rows of x, of a warp.
template <int kBits, int kTiles>
struct Gemm {
  static constexpr int kCols = 2 * 8 * kTiles;
  static constexpr int kSums = kTiles * 8;   // of a thread
  static constexpr int kLevelBytes = kGemmThreads * kSums * 4;
  static constexpr int kPerProcessor = kTiles == 8 ? 2 : 3;   // blocks, by registers
  static constexpr int kStages = kTiles == 8 ? 3 : 5;         // narrow tiles read most weights from memory, wide ones from L2
  static constexpr int kXAt = kGemmBlocks * Codes<kBits>::kBytes;              // [kCols][64 of K]
  static constexpr int kScalesAt = kXAt + kCols * kStageK;
  static constexpr int kSxAt = kScalesAt + StageScales<kGemmBlocks>::kBytes;   // [step][kCols]
  static constexpr int kStageBytes = kSxAt + 2 * kCols * 4;
  static constexpr int SharedBytes(int levels) { return kStages * kStageBytes + levels * kLevelBytes; }
};

// The stack of waiting sums: `below` levels in scratch, the others in shared memory.
template <int kThreads = kGemmThreads>
struct GemmStack {
  float *scratch, *shared;   // this thread's
  int below;
  template <int kSums>
  HST_DEVICE float* Level(int level) const {
    return level < below ? scratch + level * (kSums * kThreads) : shared + (level - below) * (kSums * kThreads);
  }
};

// Where the 16-byte chunk c of row `row` of x lies; turned for 8-byte reads of four rows.
HST_DEVICE int TurnedX(int row, int c) { return row * kStageK + (c ^ (row & 2)) * 16; }

template <int kBits, int kTiles>
HST_DEVICE void GemmFetchWeights(std::byte* stage, const IntegerLinear& p, int first_block, int k, int end) {
  using C = Codes<kBits>;
  const int warp = threadIdx.x / kWarp;   // a block each
  const std::byte* block = p.w + (first_block + warp) * p.block_bytes;
  const bool live = k < end && first_block + warp < p.blocks;
  ForEachOf<C::kChunks, kWarp>(threadIdx.x % kWarp, [&](int c) { C::Copy(stage + warp * C::kBytes, p, block, c, k, live); });
  if (threadIdx.x < StageScales<kGemmBlocks>::kCopies)
    StageScales<kGemmBlocks>::Copy(stage + Gemm<kBits, kTiles>::kScalesAt, p, first_block, threadIdx.x, k, end, C::kZero);
}

template <int kBits, int kTiles>
HST_DEVICE void GemmFetchX(std::byte* stage, const IntegerLinear& p, int first_row, int k, int end) {
  using G = Gemm<kBits, kTiles>;
  ForEachOf<G::kCols * 4, kGemmThreads>(threadIdx.x, [&](int i) {
    const int row = i / 4, c = i % 4;
    CopyToShared(stage + G::kXAt + TurnedX(row, c), reinterpret_cast<const std::byte*>(p.q + (first_row + row) * p.q_stride + k + c * 16),
                 first_row + row < p.rows && k < end);
  });
  ForEachOf<G::kCols * 2, kGemmThreads>(threadIdx.x, [&](int i) {
    const int row = i % G::kCols, at = k + i / G::kCols * kStep;
    Copy4ToShared(stage + G::kSxAt + i * 4, reinterpret_cast<const std::byte*>(p.sx + (first_row + row) * p.g_stride + (at >> p.run_shift)),
                  first_row + row < p.rows && at < end);
  });
}

// Writes a thread's sums of the tile at these rows of W and x.
template <int kTiles>
HST_DEVICE void GemmStore(const IntegerLinear& p, const float (&acc)[kTiles][2][4], int first_block, int first_row) {
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  const int n = first_block * 16 + warp / 2 * kPairRows + g * 4, col = first_row + warp % 2 * (8 * kTiles);
  HST_DEVICE_UNROLL
  for (int j = 0; j < kTiles; ++j)
    HST_DEVICE_UNROLL
    for (int c = 0; c < 2; ++c) {
      const int m = col + j * 8 + t * 2 + c;
      if (m >= p.rows || (p.parts > 1 && c > 0)) continue;
      float* out = p.out + (m >> (p.parts - 1)) * p.out_stride + n;   // 1 or 2 parts
      HST_DEVICE_UNROLL
      for (int r = 0; r < 4; ++r) {
        float v = acc[j][r / 2][r % 2 * 2 + c];
        if (p.parts > 1) v = v + acc[j][r / 2][r % 2 * 2 + 1];   // its residual is the next row
        if (n + r < p.n) out[r] = p.bias ? v + p.bias[n + r] : v;
      }
    }
}

// One step's products, of operands in `stage`; kFirst: the run begins here, at `origin`.
template <int kBits, int kTiles, bool kFirst>
HST_DEVICE void GemmMultiply(const std::byte* stage, int step, uint32_t zeros, int block, int cols, int lane, int32_t origin,
                              int32_t (&dot)[kTiles][2][4]) {
  using C = Codes<kBits>;
  const int g = lane / 4, t = lane % 4;
  uint32_t low[4], high[4];
  C::LoadSigned(stage + block * C::kBytes, step, lane, zeros, low, high);
  HST_DEVICE_UNROLL
  for (int j = 0; j < kTiles; ++j) {
    const uint2 q = *reinterpret_cast<const uint2*>(stage + Gemm<kBits, kTiles>::kXAt + TurnedX(cols + j * 8 + g, step * 2 + t / 2) + t % 2 * 8);
    HST_DEVICE_UNROLL
    for (int i = 0; i < 2; ++i) {
      const uint32_t a[4] = {low[2 * i], low[2 * i + 1], high[2 * i], high[2 * i + 1]};
      if constexpr (kFirst) MmaS8S8First(dot[j][i], a, {q.x, q.y}, origin);
      else MmaS8S8(dot[j][i], a, {q.x, q.y});
    }
  }
}

// Takes a finished run into the segment's sums. `sx`: the scales of x, [kTiles][8], from
// the lane's first on; `sw`: those of the lane's four rows of W.
template <int kTiles, bool kShort>
HST_DEVICE void GemmFinishRun(const float* sx, const float (&sw)[4], const int32_t (&dot)[kTiles][2][4], float (&acc)[kTiles][2][4]) {
  HST_DEVICE_UNROLL
  for (int j = 0; j < kTiles; ++j) {
    const float2 s = *reinterpret_cast<const float2*>(sx + j * 8);
    HST_DEVICE_UNROLL
    for (int i = 0; i < 2; ++i)
      HST_DEVICE_UNROLL
      for (int r = 0; r < 4; ++r)
        acc[j][i][r] = Fma(DotOfRun<kShort>(dot[j][i][r]), (r % 2 == 0 ? s.x : s.y) * sw[2 * i + r / 2], acc[j][i][r]);
  }
}

// Adds `merges` waiting sums to the finished segment's, the latest first; where another
// segment comes, pushes the result and leaves zeros.
template <int kTiles, int kThreads = kGemmThreads>
HST_DEVICE void GemmFinishSegment(const GemmStack<kThreads>& stack, int merges, bool last, int& depth, float (&acc)[kTiles][2][4]) {
  constexpr int kSums = kTiles * 8;
  for (; merges > 0; --merges) {
    const float* waiting = stack.template Level<kSums>(--depth);
    HST_DEVICE_UNROLL
    for (int e = 0; e < kSums; ++e) acc[e / 8][e / 4 % 2][e % 4] = waiting[e * kThreads] + acc[e / 8][e / 4 % 2][e % 4];
  }
  if (last) return;
  float* level = stack.template Level<kSums>(depth++);
  HST_DEVICE_UNROLL
  for (int e = 0; e < kSums; ++e) {
    level[e * kThreads] = acc[e / 8][e / 4 % 2][e % 4];
    acc[e / 8][e / 4 % 2][e % 4] = 0.0f;
  }
}

// Where a thread's products lie in a stage.
struct GemmLane {
  int block, quad, cols, lane;
};

// A stage's products and the runs that end in it. kRun64: runs are of 64, or the last
// one shorter: a stage is one, since x is zero behind its end.
template <int kBits, int kTiles, bool kRun64>
HST_DEVICE void GemmStage(const IntegerLinear& p, const std::byte* stage, const GemmLane& at, int k, int end, float (&sw)[4],
                          int32_t (&dot)[kTiles][2][4], float (&acc)[kTiles][2][4]) {
  using G = Gemm<kBits, kTiles>;
  const std::byte* scales = stage + G::kScalesAt;
  const float* sx = reinterpret_cast<const float*>(stage + G::kSxAt) + at.cols + at.lane % 4 * 2;
  const auto zeros = [&](int step) { return kBits < 8 ? StageScales<kGemmBlocks>::Zeros(scales, step, at.block, at.quad) : 0u; };
  if constexpr (kRun64) {
    const uint32_t z = zeros(0);
    GemmMultiply<kBits, kTiles, true>(stage, 0, z, at.block, at.cols, at.lane, kDotOrigin, dot);
    GemmMultiply<kBits, kTiles, false>(stage, 1, z, at.block, at.cols, at.lane, kDotOrigin, dot);
    if (kBits < 8 || p.half_scale) StageScales<kGemmBlocks>::Scales(scales, 0, at.block, at.quad, sw);
    GemmFinishRun<kTiles, true>(sx, sw, dot, acc);
  } else {
    const int32_t origin = DotOrigin(p);
    HST_DEVICE_UNROLL
    for (int step = 0; step < 2; ++step) {
      const int from = k + step * kStep, to = from + kStep, run_mask = (1 << p.run_shift) - 1;
      if (from >= end) break;
      if ((from & run_mask) == 0) GemmMultiply<kBits, kTiles, true>(stage, step, zeros(step), at.block, at.cols, at.lane, origin, dot);
      else GemmMultiply<kBits, kTiles, false>(stage, step, zeros(step), at.block, at.cols, at.lane, origin, dot);
      if (to < end && (to & run_mask) != 0) continue;
      if (kBits < 8 || p.half_scale) StageScales<kGemmBlocks>::Scales(scales, step, at.block, at.quad, sw);
      if (p.short_runs) GemmFinishRun<kTiles, true>(sx + step * G::kCols, sw, dot, acc);
      else GemmFinishRun<kTiles, false>(sx + step * G::kCols, sw, dot, acc);
    }
  }
}

// The sums of segments [first, first + count) of a tile, whose place is first_block and
// first_row. `wait`: for the kernel before.
template <int kBits, int kTiles, bool kRun64>
HST_DEVICE void GemmTile(const IntegerLinear& p, std::byte* shared, const GemmStack<>& stack, int first_block, int first_row, HalvingLeaf segments,
                         bool wait, float (&acc)[kTiles][2][4]) {
  using G = Gemm<kBits, kTiles>;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4;
  const GemmLane at{warp / 2 * 2 + g / 4, g % 4, warp % 2 * (G::kCols / 2), lane};
  const int begin = segments.first * kChunkK, stop = (segments.first + segments.size) * kChunkK, end = p.k < stop ? p.k : stop;
  HST_DEVICE_UNROLL
  for (int i = 0; i < G::kStages - 1; ++i) GemmFetchWeights<kBits, kTiles>(shared + i * G::kStageBytes, p, first_block, begin + i * kStageK, end);
  float sw[4] = {};
  if constexpr (kBits == 8)
    if (!p.half_scale) LoadChannelScales(p, first_block + at.block, at.quad, sw);
  if (wait) WaitForPrevious();
  HST_DEVICE_UNROLL
  for (int i = 0; i < G::kStages - 1; ++i) {   // the weights of all belong to the first group
    GemmFetchX<kBits, kTiles>(shared + i * G::kStageBytes, p, first_row, begin + i * kStageK, end);
    CommitCopies();
  }

  int32_t dot[kTiles][2][4] = {};
  int slot = 0, depth = 0;
  for (int k = begin; k < end; k += kStageK) {
    WaitCopies<G::kStages - 2>();
    __syncthreads();   // all threads' copies are there, and all have read the slot that is filled now
    const std::byte* stage = shared + slot * G::kStageBytes;
    std::byte* const into = shared + (slot == 0 ? G::kStages - 1 : slot - 1) * G::kStageBytes;
    GemmFetchWeights<kBits, kTiles>(into, p, first_block, k + (G::kStages - 1) * kStageK, end);
    GemmFetchX<kBits, kTiles>(into, p, first_row, k + (G::kStages - 1) * kStageK, end);
    CommitCopies();
    slot = slot + 1 == G::kStages ? 0 : slot + 1;
    GemmStage<kBits, kTiles, kRun64>(p, stage, at, k, end, sw, dot, acc);
    const int to = k + kStageK;
    if (!p.one_run && (to >= end || to % kChunkK == 0))
      GemmFinishSegment<kTiles>(stack, HalvingMerges(k / kChunkK - segments.first, segments.size), to >= end, depth, acc);
  }
}

// Where sums wait, and in how many parts (1 << split) a tile's segments are shared out.
struct GemmWork {
  float* scratch;   // the stacks of all blocks, then the parts' sums: [tile][part][kSums][thread]
  int below;        // levels of the stack in scratch
  int split;
  int64_t parts_at;   // floats
};

template <int kBits, int kTiles, bool kRun64>
__global__ void __launch_bounds__(kGemmThreads, Gemm<kBits, kTiles>::kPerProcessor) LinearGemmKernel(IntegerLinear p, GemmWork work) {
  using G = Gemm<kBits, kTiles>;
  HST_DYNAMIC_SHARED(shared);
  LetNextStart();
  const int across = (p.rows + G::kCols - 1) / G::kCols, tiles = across * ((p.blocks + kGemmBlocks - 1) / kGemmBlocks);
  const GemmStack<> stack{work.scratch + int64_t{blockIdx.x} * work.below * (G::kLevelBytes / 4) + threadIdx.x,
                        reinterpret_cast<float*>(shared + G::kStages * G::kStageBytes) + threadIdx.x, work.below};
  const int items = tiles << work.split, step = gridDim.x;
  for (int item = blockIdx.x; item < items; item += step) {
    const bool first = item < step;
    if (!first) {   // the ring is used again
      WaitCopies<0>();
      __syncthreads();
    }
    const int tile = item >> work.split, part = item & ((1 << work.split) - 1);
    const int first_block = tile / across * kGemmBlocks, first_row = tile % across * G::kCols;
    float acc[kTiles][2][4] = {};
    GemmTile<kBits, kTiles, kRun64>(p, shared, stack, first_block, first_row, LeafOfHalving(part, p.segments, work.split), first, acc);
    if (work.split == 0) {
      GemmStore<kTiles>(p, acc, first_block, first_row);
      continue;
    }
    float* sums = work.scratch + work.parts_at + int64_t{item} * (G::kLevelBytes / 4) + threadIdx.x;
    HST_DEVICE_UNROLL
    for (int e = 0; e < G::kSums; ++e) sums[e * kGemmThreads] = acc[e / 8][e / 4 % 2][e % 4];
  }
}

// Adds a tile's parts, as the halving does, and writes it.
template <int kTiles>
__global__ void __launch_bounds__(kGemmThreads) LinearGemmPartsKernel(IntegerLinear p, GemmWork work) {
  constexpr int kSums = kTiles * 8;
  WaitForPrevious();
  const int across = (p.rows + 16 * kTiles - 1) / (16 * kTiles), tile = blockIdx.x, parts = 1 << work.split;
  const float* sums = work.scratch + work.parts_at + int64_t{tile} * parts * (kSums * kGemmThreads) + threadIdx.x;
  float acc[kTiles][2][4];
  HST_DEVICE_UNROLL
  for (int e = 0; e < kSums; ++e) {
    float v[1 << kGemmMostSplit];
    HST_DEVICE_UNROLL
    for (int i = 0; i < 1 << kGemmMostSplit; ++i) v[i] = i < parts ? sums[(i * kSums + e) * kGemmThreads] : 0.0f;
    HST_DEVICE_UNROLL
    for (int half = 1; half < 1 << kGemmMostSplit; half *= 2)
      HST_DEVICE_UNROLL
      for (int i = 0; i < 1 << kGemmMostSplit; i += 2 * half)
        if (i + half < parts) v[i] = v[i] + v[i + half];
    acc[e / 8][e / 4 % 2][e % 4] = v[0];
  }
  GemmStore<kTiles>(p, acc, tile / across * kGemmBlocks, tile % across * (16 * kTiles));
}

}  // namespace hasten::cuda
