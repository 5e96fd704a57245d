// Many rows of x against integer weights: a block of four warps for 64 rows of W by 64
// of x, a warp 32 by 32, on the tensor cores. Codes are made signed, less their
// zero-points, where they leave shared memory, which costs less than a correction of
// every sum. Stages of 64 elements of K are copied ahead of use. A run's products go
// into the segment's sums in the definition's order; finished segments wait for their
// halving on a stack in shared memory, which holds every thread's own sums.
#pragma once

#include "runtime/kernels/cuda/sums.cuh"
#include "runtime/kernels/linear/cuda/integer.cuh"

namespace hasten::cuda {

inline constexpr int kGemmThreads = 128;
inline constexpr int kGemmBlocks = 4;                     // of 16 rows of W
inline constexpr int kGemmRows = 16 * kGemmBlocks, kGemmCols = 64;
inline constexpr int kGemmTiles = 4;                      // of 8 columns, of a warp
inline constexpr int kGemmSums = kGemmTiles * 8;          // of a thread
inline constexpr int kGemmLevelBytes = kGemmThreads * kGemmSums * 4;

template <int kBits>
struct Gemm {
  static constexpr int kStages = 3;
  static constexpr int kXAt = kGemmBlocks * Codes<kBits>::kBytes;              // [64 of x][64 of K]
  static constexpr int kScalesAt = kXAt + kGemmCols * kStageK;
  static constexpr int kSxAt = kScalesAt + StageScales<kGemmBlocks>::kBytes;   // [step][64 of x]
  static constexpr int kStageBytes = kSxAt + 2 * kGemmCols * 4;
  static constexpr int SharedBytes(int levels) { return kStages * kStageBytes + levels * kGemmLevelBytes; }
};

// Where the 16-byte chunk c of row `row` of x lies; turned for 8-byte reads of four rows.
HST_DEVICE int TurnedX(int row, int c) { return row * kStageK + (c ^ (row & 2)) * 16; }

template <int kBits>
HST_DEVICE void GemmFetchWeights(std::byte* stage, const IntegerLinear& p, int first_block, int k) {
  using C = Codes<kBits>;
  HST_DEVICE_UNROLL
  for (int i = threadIdx.x; i < kGemmBlocks * C::kChunks; i += kGemmThreads) {
    const int block = i / C::kChunks;
    C::Copy(stage + block * C::kBytes, p, p.w + (first_block + block) * p.block_bytes, i % C::kChunks, k, k < p.k && first_block + block < p.blocks);
  }
  if (threadIdx.x < StageScales<kGemmBlocks>::kCopies)
    StageScales<kGemmBlocks>::Copy(stage + Gemm<kBits>::kScalesAt, p, first_block, threadIdx.x, k, C::kZero);
}

template <int kBits>
HST_DEVICE void GemmFetchX(std::byte* stage, const IntegerLinear& p, int first_row, int k) {
  const int thread = threadIdx.x;
  HST_DEVICE_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int row = i * 32 + thread / 4, c = thread % 4;
    const bool live = first_row + row < p.rows && k < p.k;
    CopyToShared(stage + Gemm<kBits>::kXAt + TurnedX(row, c), reinterpret_cast<const std::byte*>(p.q + (first_row + row) * p.q_stride + k + c * 16), live);
  }
  const int step = thread / kGemmCols, row = thread % kGemmCols, at = k + step * kStep;
  Copy4ToShared(stage + Gemm<kBits>::kSxAt + thread * 4, reinterpret_cast<const std::byte*>(p.sx + (first_row + row) * p.g_stride + (at >> p.run_shift)),
                first_row + row < p.rows && at < p.k);
}

// Writes a warp's 32 rows of W from `row` on by 32 rows of x from `col` on.
HST_DEVICE void GemmStore(const IntegerLinear& p, const float (&acc)[kGemmTiles][2][4], int row, int col, int lane) {
  const int g = lane / 4, t = lane % 4, n = row + g * 4;
  HST_DEVICE_UNROLL
  for (int j = 0; j < kGemmTiles; ++j)
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

template <int kBits>
__global__ void __launch_bounds__(kGemmThreads) LinearGemmKernel(IntegerLinear p) {
  using C = Codes<kBits>;
  using G = Gemm<kBits>;
  HST_DYNAMIC_SHARED(shared);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  const int first_block = blockIdx.y * kGemmBlocks, first_row = blockIdx.x * kGemmCols;
  const int block = warp / 2 * 2 + g / 4, quad = g % 4, cols = warp % 2 * 32;
  float* const stack = reinterpret_cast<float*>(shared + G::kStages * G::kStageBytes) + threadIdx.x;

  HST_DEVICE_UNROLL
  for (int i = 0; i < G::kStages - 1; ++i) GemmFetchWeights<kBits>(shared + i * G::kStageBytes, p, first_block, i * kStageK);
  float sw[4] = {};
  if constexpr (!C::kZero)
    if (!p.half_scale) LoadChannelScales(p, first_block + block, quad, sw);
  WaitForPrevious();
  HST_DEVICE_UNROLL
  for (int i = 0; i < G::kStages - 1; ++i) {   // the weights of all belong to the first group
    GemmFetchX<kBits>(shared + i * G::kStageBytes, p, first_row, i * kStageK);
    CommitCopies();
  }

  int32_t dot[kGemmTiles][2][4] = {};
  float acc[kGemmTiles][2][4] = {};
  int slot = 0, depth = 0;
  for (int k = 0; k < p.k; k += kStageK) {
    WaitCopies<G::kStages - 2>();
    __syncthreads();   // all threads' copies are there, and all have read the slot that is filled now
    const std::byte* stage = shared + slot * G::kStageBytes;
    std::byte* const into = shared + (slot == 0 ? G::kStages - 1 : slot - 1) * G::kStageBytes;
    GemmFetchWeights<kBits>(into, p, first_block, k + (G::kStages - 1) * kStageK);
    GemmFetchX<kBits>(into, p, first_row, k + (G::kStages - 1) * kStageK);
    CommitCopies();
    slot = slot + 1 == G::kStages ? 0 : slot + 1;
    HST_DEVICE_UNROLL
    for (int step = 0; step < 2; ++step) {
      const int at = k + step * kStep, to = at + kStep;
      if (at >= p.k) break;
      const std::byte* scales = stage + G::kScalesAt;
      uint32_t low[4], high[4];
      C::LoadSigned(stage + block * C::kBytes, step, lane, C::kZero ? StageScales<kGemmBlocks>::Zeros(scales, step, block, quad) : 0u, low, high);
      HST_DEVICE_UNROLL
      for (int j = 0; j < kGemmTiles; ++j) {
        const uint2 q = *reinterpret_cast<const uint2*>(stage + G::kXAt + TurnedX(cols + j * 8 + g, step * 2 + t / 2) + t % 2 * 8);
        HST_DEVICE_UNROLL
        for (int i = 0; i < 2; ++i)
          MmaS8S8(dot[j][i], {low[2 * i], low[2 * i + 1], high[2 * i], high[2 * i + 1]}, {q.x, q.y});
      }
      if (to < p.k && (to & ((1 << p.run_shift) - 1)) != 0) continue;
      if (C::kZero || p.half_scale) StageScales<kGemmBlocks>::Scales(scales, step, block, quad, sw);
      const float* sx = reinterpret_cast<const float*>(stage + G::kSxAt) + step * kGemmCols + cols + t * 2;
      HST_DEVICE_UNROLL
      for (int j = 0; j < kGemmTiles; ++j) {
        const float2 s = *reinterpret_cast<const float2*>(sx + j * 8);
        HST_DEVICE_UNROLL
        for (int i = 0; i < 2; ++i)
          HST_DEVICE_UNROLL
          for (int r = 0; r < 4; ++r) {
            acc[j][i][r] = Fma(static_cast<float>(dot[j][i][r]), (r % 2 == 0 ? s.x : s.y) * sw[2 * i + r / 2], acc[j][i][r]);
            dot[j][i][r] = 0;
          }
      }
      if (p.one_run || (to < p.k && to % kChunkK != 0)) continue;
      const int merges = HalvingMerges(at / kChunkK, p.segments);
      for (int m = 0; m < merges; ++m) {
        --depth;
        HST_DEVICE_UNROLL
        for (int e = 0; e < kGemmSums; ++e)
          acc[e / 8][e / 4 % 2][e % 4] = stack[(depth * kGemmSums + e) * kGemmThreads] + acc[e / 8][e / 4 % 2][e % 4];
      }
      if (to >= p.k) continue;
      HST_DEVICE_UNROLL
      for (int e = 0; e < kGemmSums; ++e) {
        stack[(depth * kGemmSums + e) * kGemmThreads] = acc[e / 8][e / 4 % 2][e % 4];
        acc[e / 8][e / 4 % 2][e % 4] = 0.0f;
      }
      ++depth;
    }
  }
  LetNextStart();
  GemmStore(p, acc, first_block * 16 + warp / 2 * kPairRows, first_row + cols, lane);
}

}  // namespace hasten::cuda
