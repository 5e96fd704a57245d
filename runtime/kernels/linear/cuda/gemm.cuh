// Many rows of x against integer weights, on the tensor cores: a block of four warps for
// 64 rows of W by kCols of x, a warp 32 by half of them. Codes are made signed, less their
// zero-points, where they leave shared memory: with many columns that costs less than a
// correction of every sum. Stages of 64 elements of K are copied ahead of use. A run's
// products go into the segment's sums in the definition's order. Finished segments wait
// for their halving on a stack that holds every thread's own sums: what is written most
// often in shared memory, the levels below, seldom used, in the queue's scratch. That has
// room for the blocks that run at once, so a block goes from tile to tile.
#pragma once

#include "runtime/kernels/cuda/sums.cuh"
#include "runtime/kernels/linear/cuda/integer.cuh"

namespace hasten::cuda {

inline constexpr int kGemmThreads = 128;
inline constexpr int kGemmBlocks = 4;       // of 16 rows of W
inline constexpr int kGemmSharedLevels = 2;   // at most

// kTiles: of 8 rows of x, of a warp.
template <int kBits, int kTiles>
struct Gemm {
  static constexpr int kCols = 2 * 8 * kTiles;
  static constexpr int kSums = kTiles * 8;   // of a thread
  static constexpr int kLevelBytes = kGemmThreads * kSums * 4;
  static constexpr int kPerProcessor = kTiles == 8 ? 2 : 3;   // blocks, by registers and shared memory
  static constexpr int kStages = 3;
  static constexpr int kXAt = kGemmBlocks * Codes<kBits>::kBytes;              // [kCols][64 of K]
  static constexpr int kScalesAt = kXAt + kCols * kStageK;
  static constexpr int kSxAt = kScalesAt + StageScales<kGemmBlocks>::kBytes;   // [step][kCols]
  static constexpr int kStageBytes = kSxAt + 2 * kCols * 4;
  static constexpr int SharedBytes(int levels) { return kStages * kStageBytes + levels * kLevelBytes; }
};

// The stack of waiting sums: `below` levels in scratch, the others in shared memory.
struct GemmStack {
  float *scratch, *shared;   // this thread's
  int below;
  template <int kSums>
  HST_DEVICE float* Level(int level) const {
    return level < below ? scratch + level * (kSums * kGemmThreads) : shared + (level - below) * (kSums * kGemmThreads);
  }
};

// Where the 16-byte chunk c of row `row` of x lies; turned for 8-byte reads of four rows.
HST_DEVICE int TurnedX(int row, int c) { return row * kStageK + (c ^ (row & 2)) * 16; }

template <int kBits, int kTiles>
HST_DEVICE void GemmFetchWeights(std::byte* stage, const IntegerLinear& p, int first_block, int k) {
  using C = Codes<kBits>;
  HST_DEVICE_UNROLL
  for (int i = threadIdx.x; i < kGemmBlocks * C::kChunks; i += kGemmThreads) {
    const int block = i / C::kChunks;
    C::Copy(stage + block * C::kBytes, p, p.w + (first_block + block) * p.block_bytes, i % C::kChunks, k, k < p.k && first_block + block < p.blocks);
  }
  if (threadIdx.x < StageScales<kGemmBlocks>::kCopies)
    StageScales<kGemmBlocks>::Copy(stage + Gemm<kBits, kTiles>::kScalesAt, p, first_block, threadIdx.x, k, C::kZero);
}

template <int kBits, int kTiles>
HST_DEVICE void GemmFetchX(std::byte* stage, const IntegerLinear& p, int first_row, int k) {
  using G = Gemm<kBits, kTiles>;
  const int thread = threadIdx.x;
  HST_DEVICE_UNROLL
  for (int i = thread; i < G::kCols * 4; i += kGemmThreads) {
    const int row = i / 4, c = i % 4;
    CopyToShared(stage + G::kXAt + TurnedX(row, c), reinterpret_cast<const std::byte*>(p.q + (first_row + row) * p.q_stride + k + c * 16),
                 first_row + row < p.rows && k < p.k);
  }
  HST_DEVICE_UNROLL
  for (int i = thread; i < G::kCols * 2; i += kGemmThreads) {
    const int row = i % G::kCols, at = k + i / G::kCols * kStep;
    Copy4ToShared(stage + G::kSxAt + i * 4, reinterpret_cast<const std::byte*>(p.sx + (first_row + row) * p.g_stride + (at >> p.run_shift)),
                  first_row + row < p.rows && at < p.k);
  }
}

// Writes a warp's 32 rows of W from `row` on by its rows of x from `col` on.
template <int kTiles>
HST_DEVICE void GemmStore(const IntegerLinear& p, const float (&acc)[kTiles][2][4], int row, int col, int lane) {
  const int g = lane / 4, t = lane % 4, n = row + g * 4;
  HST_DEVICE_UNROLL
  for (int j = 0; j < kTiles; ++j)
    HST_DEVICE_UNROLL
    for (int c = 0; c < 2; ++c) {
      const int m = col + j * 8 + t * 2 + c;
      if (m >= p.rows || (p.parts > 1 && c > 0)) continue;
      float* out = p.out + m / p.parts * p.out_stride + n;
      HST_DEVICE_UNROLL
      for (int r = 0; r < 4; ++r) {
        float v = acc[j][r / 2][r % 2 * 2 + c];
        if (p.parts > 1) v = v + acc[j][r / 2][r % 2 * 2 + 1];   // its residual is the next row
        if (n + r < p.n) out[r] = p.bias ? v + p.bias[n + r] : v;
      }
    }
}

// One step's products, `stage` being where its operands are.
template <int kBits, int kTiles>
HST_DEVICE void GemmMultiply(const std::byte* stage, int step, int block, int cols, int lane, int32_t (&dot)[kTiles][2][4]) {
  using C = Codes<kBits>;
  using G = Gemm<kBits, kTiles>;
  const int g = lane / 4, t = lane % 4;
  const uint32_t zeros = C::kZero ? StageScales<kGemmBlocks>::Zeros(stage + G::kScalesAt, step, block, g % 4) : 0u;
  uint32_t low[4], high[4];
  C::LoadSigned(stage + block * C::kBytes, step, lane, zeros, low, high);
  HST_DEVICE_UNROLL
  for (int j = 0; j < kTiles; ++j) {
    const uint2 q = *reinterpret_cast<const uint2*>(stage + G::kXAt + TurnedX(cols + j * 8 + g, step * 2 + t / 2) + t % 2 * 8);
    HST_DEVICE_UNROLL
    for (int i = 0; i < 2; ++i)
      MmaS8S8(dot[j][i], {low[2 * i], low[2 * i + 1], high[2 * i], high[2 * i + 1]}, {q.x, q.y});
  }
}

// Takes a finished run into the segment's sums. `sx`: the scales of x, [kTiles][8], from
// the lane's first on; `sw`: those of the lane's four rows of W.
template <int kTiles>
HST_DEVICE void GemmFinishRun(const float* sx, const float (&sw)[4], int32_t (&dot)[kTiles][2][4], float (&acc)[kTiles][2][4]) {
  HST_DEVICE_UNROLL
  for (int j = 0; j < kTiles; ++j) {
    const float2 s = *reinterpret_cast<const float2*>(sx + j * 8);
    HST_DEVICE_UNROLL
    for (int i = 0; i < 2; ++i)
      HST_DEVICE_UNROLL
      for (int r = 0; r < 4; ++r) {
        acc[j][i][r] = Fma(static_cast<float>(dot[j][i][r]), (r % 2 == 0 ? s.x : s.y) * sw[2 * i + r / 2], acc[j][i][r]);
        dot[j][i][r] = 0;
      }
  }
}

// Adds `merges` waiting sums to the finished segment's, the latest first; where another
// segment comes, pushes the result and leaves zeros.
template <int kTiles>
HST_DEVICE void GemmFinishSegment(const GemmStack& stack, int merges, bool last, int& depth, float (&acc)[kTiles][2][4]) {
  constexpr int kSums = kTiles * 8;
  for (; merges > 0; --merges) {
    const float* waiting = stack.Level<kSums>(--depth);
    HST_DEVICE_UNROLL
    for (int e = 0; e < kSums; ++e) acc[e / 8][e / 4 % 2][e % 4] = waiting[e * kGemmThreads] + acc[e / 8][e / 4 % 2][e % 4];
  }
  if (last) return;
  float* level = stack.Level<kSums>(depth++);
  HST_DEVICE_UNROLL
  for (int e = 0; e < kSums; ++e) {
    level[e * kGemmThreads] = acc[e / 8][e / 4 % 2][e % 4];
    acc[e / 8][e / 4 % 2][e % 4] = 0.0f;
  }
}

// One tile, a block's first or last one or not.
template <int kBits, int kTiles>
HST_DEVICE void GemmTile(const IntegerLinear& p, std::byte* shared, const GemmStack& stack, int first_block, int first_row, bool first, bool last) {
  using C = Codes<kBits>;
  using G = Gemm<kBits, kTiles>;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4;
  const int block = warp / 2 * 2 + g / 4, cols = warp % 2 * (G::kCols / 2);
  HST_DEVICE_UNROLL
  for (int i = 0; i < G::kStages - 1; ++i) GemmFetchWeights<kBits, kTiles>(shared + i * G::kStageBytes, p, first_block, i * kStageK);
  float sw[4] = {};
  if constexpr (!C::kZero)
    if (!p.half_scale) LoadChannelScales(p, first_block + block, g % 4, sw);
  if (first) WaitForPrevious();
  HST_DEVICE_UNROLL
  for (int i = 0; i < G::kStages - 1; ++i) {   // the weights of all belong to the first group
    GemmFetchX<kBits, kTiles>(shared + i * G::kStageBytes, p, first_row, i * kStageK);
    CommitCopies();
  }

  int32_t dot[kTiles][2][4] = {};
  float acc[kTiles][2][4] = {};
  int slot = 0, depth = 0;
  for (int k = 0; k < p.k; k += kStageK) {
    WaitCopies<G::kStages - 2>();
    __syncthreads();   // all threads' copies are there, and all have read the slot that is filled now
    const std::byte* stage = shared + slot * G::kStageBytes;
    std::byte* const into = shared + (slot == 0 ? G::kStages - 1 : slot - 1) * G::kStageBytes;
    GemmFetchWeights<kBits, kTiles>(into, p, first_block, k + (G::kStages - 1) * kStageK);
    GemmFetchX<kBits, kTiles>(into, p, first_row, k + (G::kStages - 1) * kStageK);
    CommitCopies();
    slot = slot + 1 == G::kStages ? 0 : slot + 1;
    HST_DEVICE_UNROLL
    for (int step = 0; step < 2; ++step) {
      const int at = k + step * kStep, to = at + kStep;
      if (at >= p.k) break;
      GemmMultiply<kBits, kTiles>(stage, step, block, cols, lane, dot);
      if (to < p.k && (to & ((1 << p.run_shift) - 1)) != 0) continue;
      if (C::kZero || p.half_scale) StageScales<kGemmBlocks>::Scales(stage + G::kScalesAt, step, block, g % 4, sw);
      GemmFinishRun<kTiles>(reinterpret_cast<const float*>(stage + G::kSxAt) + step * G::kCols + cols + lane % 4 * 2, sw, dot, acc);
      if (!p.one_run && (to >= p.k || to % kChunkK == 0))
        GemmFinishSegment<kTiles>(stack, HalvingMerges(at / kChunkK, p.segments), to >= p.k, depth, acc);
    }
  }
  if (last) LetNextStart();
  GemmStore<kTiles>(p, acc, first_block * 16 + warp / 2 * kPairRows, first_row + cols, lane);
}

// `below`: levels of the stack in `scratch`.
template <int kBits, int kTiles>
__global__ void __launch_bounds__(kGemmThreads, Gemm<kBits, kTiles>::kPerProcessor) LinearGemmKernel(IntegerLinear p, float* scratch, int below) {
  using G = Gemm<kBits, kTiles>;
  HST_DYNAMIC_SHARED(shared);
  const GemmStack stack{scratch + int64_t{blockIdx.x} * below * (G::kLevelBytes / 4) + threadIdx.x,
                        reinterpret_cast<float*>(shared + G::kStages * G::kStageBytes) + threadIdx.x, below};
  const int across = (p.rows + G::kCols - 1) / G::kCols, tiles = across * ((p.blocks + kGemmBlocks - 1) / kGemmBlocks);
  for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const bool first = tile == static_cast<int>(blockIdx.x);
    if (!first) {   // the ring is used again
      WaitCopies<0>();
      __syncthreads();
    }
    GemmTile<kBits, kTiles>(p, shared, stack, tile / across * kGemmBlocks, tile % across * G::kCols, first,
                            tile + static_cast<int>(gridDim.x) >= tiles);
  }
}

}  // namespace hasten::cuda
