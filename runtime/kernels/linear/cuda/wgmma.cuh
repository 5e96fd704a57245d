// Many rows of x against integer weights on Hopper: a block of two warpgroups for 128
// rows of W by 128 of x. A stage is 128 elements of K; x comes to shared memory as wgmma
// reads it, codes of W are made signed, less their zero-points, on their way to
// registers. A warpgroup has its sums of products in two halves of 64 columns and two
// groups of products: while one half's run is taken into the segment's sums, the other
// half's products run, and the registers of A that no product reads are filled. So the
// tensor cores need not wait for either, in spite of the barrier at each stage.
//
// Products of a run begin at 0 and are converted: a beginning at kDotOrigin would have to
// be written to every sum of every run, one more instruction each than it saves, and the
// compiler waits for the other half's products before it lets sums be written.
#pragma once

#include "runtime/kernels/cuda/wgmma.h"
#include "runtime/kernels/linear/cuda/gemm.cuh"

namespace hasten::cuda {

inline constexpr int kWgmmaThreads = 256;
inline constexpr int kWgmmaBlocks = kWgmmaThreads / kWarp;   // of 16 rows of W: a warp each
inline constexpr int kWgmmaCols = 128;    // rows of x
inline constexpr int kWgmmaK = 128;       // elements of K of a stage
inline constexpr int kWgmmaShift = 7;     // runs of more than a stage are not taken in beside products
inline constexpr int kWgmmaTiles = 8;     // as Gemm counts a thread's sums: 8 each

// kRunSteps: products of 32 elements that a run has in a stage: 1, 2, or 4 with runs of
// 128 or more.
template <int kBits, int kRunSteps>
struct WgmmaGemm {
  static constexpr int kRuns = 4 / kRunSteps;   // of a stage
  using Scales = StageScales<kWgmmaBlocks, kRuns, kRunSteps * kStep>;
  static constexpr int kStages = 4, kAhead = 2;   // one in use, one whose last products may run, two on the way
  static_assert(kStages * kWgmmaK == kChunkK);    // a segment begins in slot 0
  static constexpr int kCodesAt = kWgmmaCols * kTileRowBytes;   // [2 x 64 of K][block]
  static constexpr int kScalesAt = kCodesAt + 2 * kWgmmaBlocks * Codes<kBits>::kBytes;
  static constexpr int kSxAt = kScalesAt + Scales::kBytes;      // [run][kWgmmaCols]
  static constexpr int kStageBytes = (kSxAt + kRuns * kWgmmaCols * 4 + kTileAlign - 1) / kTileAlign * kTileAlign;
  static constexpr int kSums = kWgmmaTiles * 8;
  static constexpr int kLevelBytes = kWgmmaThreads * kSums * 4;
  static constexpr int SharedBytes(int levels) { return kTileAlign + kStages * kStageBytes + levels * kLevelBytes; }
};

// Where a tile's operands are.
struct WgmmaPlace {
  std::byte* ring;
  int first_block, first_row;
};

template <int kBits, int kRunSteps>
HST_DEVICE void WgmmaFetchWeights(std::byte* stage, const IntegerLinear& p, int first_block, int k) {
  using G = WgmmaGemm<kBits, kRunSteps>;
  using C = Codes<kBits>;
  const int thread = NotBefore(threadIdx.x), warp = thread / kWarp;   // kept, addresses would take registers that the sums need
  const std::byte* block = p.w + (first_block + warp) * p.block_bytes;
  HST_DEVICE_UNROLL
  for (int part = 0; part < 2; ++part) {
    const int at = k + part * kStageK;
    const bool live = at < p.k && first_block + warp < p.blocks;
    ForEachOf<C::kChunks, kWarp>(thread % kWarp, [&](int c) { C::Copy(stage + G::kCodesAt + (part * kWgmmaBlocks + warp) * C::kBytes, p, block, c, at, live); });
  }
  if (thread < G::Scales::kCopies) G::Scales::Copy(stage + G::kScalesAt, p, first_block, thread, k, p.k, C::kZero);
}

template <int kBits, int kRunSteps>
HST_DEVICE void WgmmaFetchX(std::byte* stage, const IntegerLinear& p, int first_row, int k) {
  using G = WgmmaGemm<kBits, kRunSteps>;
  constexpr int kTogether = kWgmmaThreads / 8;   // rows; a multiple of 8, so that their chunks are exchanged alike
  const unsigned thread = NotBefore(threadIdx.x);
  const int row = thread / 8, at = k + thread % 8 * 16;
  const bool live = at < static_cast<int>(p.q_stride);   // behind K x is zero up to there
  const std::byte* from = reinterpret_cast<const std::byte*>(p.q + (first_row + row) * p.q_stride + at);
  std::byte* to = stage + InTile(row, thread % 8);
  HST_DEVICE_UNROLL
  for (int i = 0; i < kWgmmaCols; i += kTogether) CopyToShared(to + i * kTileRowBytes, from + i * p.q_stride, live && first_row + row + i < p.rows);
  ForEachOf<G::kRuns * kWgmmaCols, kWgmmaThreads>(thread, [&](int i) {
    const int row = i % kWgmmaCols, at = k + i / kWgmmaCols * (kRunSteps * kStep);
    Copy4ToShared(stage + G::kSxAt + i * 4, reinterpret_cast<const std::byte*>(p.sx + (first_row + row) * p.g_stride + (at >> p.run_shift)),
                  first_row + row < p.rows && at < p.k);
  });
}

// Takes a run of a half of the columns into the segment's sums. Behind the end of K all
// is zero, and the sums stay as they are: they are never -0.
template <int kBits, int kRunSteps>
HST_DEVICE void WgmmaFinishRun(const IntegerLinear& p, const std::byte* stage, int run, int half, float (&sw)[2], const WgmmaSums& dot,
                               float (&acc)[kWgmmaTiles][2][4]) {
  using G = WgmmaGemm<kBits, kRunSteps>;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  if (kBits < 8 || p.half_scale) G::Scales::PairScales(stage + G::kScalesAt, run, warp, lane / 4, sw);
  const float* sx = reinterpret_cast<const float*>(stage + G::kSxAt) + run * kWgmmaCols + half * 64 + lane % 4 * 2;
  HST_DEVICE_UNROLL
  for (int j = 0; j < 8; ++j) {
    const float2 s = *reinterpret_cast<const float2*>(sx + j * 8);
    HST_DEVICE_UNROLL
    for (int r = 0; r < 4; ++r) {
      float& sum = acc[half * 4 + j / 2][j % 2][r];
      sum = Fma(static_cast<float>(dot[j * 4 + r]), (r % 2 == 0 ? s.x : s.y) * sw[r / 2], sum);
    }
  }
}

// Stage `number` has come into slot `slot`; asks for the one kAhead behind it.
template <int kBits, int kRunSteps>
HST_DEVICE void WgmmaNextStage(const IntegerLinear& p, const WgmmaPlace& place, int number, int slot) {
  using G = WgmmaGemm<kBits, kRunSteps>;
  WaitCopies<G::kAhead - 1>();
  ShowToProducts();
  __syncthreads();   // all threads' copies are there, and nothing reads the slot that is filled now
  std::byte* const into = place.ring + (slot + G::kAhead < G::kStages ? slot + G::kAhead : slot - 2) * G::kStageBytes;
  WgmmaFetchWeights<kBits, kRunSteps>(into, p, place.first_block, (number + G::kAhead) * kWgmmaK);
  WgmmaFetchX<kBits, kRunSteps>(into, p, place.first_row, (number + G::kAhead) * kWgmmaK);
  CommitCopies();
  __syncwarp();   // some lanes had more to copy than others, products take all of them
}

// A's registers of kCount products from product `first` of a stage on.
template <int kBits, int kRunSteps, int kCount>
HST_DEVICE void WgmmaLoad(const std::byte* stage, int first, uint32_t (&a)[4][4]) {
  using G = WgmmaGemm<kBits, kRunSteps>;
  using C = Codes<kBits>;
  const int thread = NotBefore(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;   // as in WgmmaFetchWeights
  const uint32_t zeros = C::kZero ? G::Scales::PairZeros(stage + G::kScalesAt, first / kRunSteps, warp, lane / 4) : 0u;
  HST_DEVICE_UNROLL
  for (int step = first; step < first + kCount; ++step)
    C::LoadFragment(stage + G::kCodesAt + (step / 2 * kWgmmaBlocks + warp) * C::kBytes, step % 2, lane, zeros, a[step]);
}

// Those products, a group, for a half of the columns; `more`: their run has begun before.
template <int kCount>
HST_DEVICE void WgmmaMultiply(uint64_t tile, int half, int first, bool more, const uint32_t (&a)[4][4], WgmmaSums& dot) {
  WgmmaFence();
  HST_DEVICE_UNROLL
  for (int step = first; step < first + kCount; ++step)
    WgmmaS8S8(dot, a[step], tile + static_cast<uint64_t>(half) * (8 * kTileRows8) + static_cast<uint64_t>(step) * kTileK32, more || step > first);
  WgmmaCommit();
}

// kStretch stages from stage `number` on, in slot `slot` of the ring, into the segment's
// sums. All of it is one stretch of code without branches in which products run beside
// what follows them, and it ends with none: the compiler serializes them otherwise.
// `begins`, `ends`: a run of more than a stage does (kStretch is 1 there).
template <int kBits, int kRunSteps, int kStretch>
HST_DEVICE void WgmmaStages(const IntegerLinear& p, const WgmmaPlace& place, int number, int slot, bool begins, bool ends, float (&sw)[2],
                            WgmmaSums (&dot)[2], float (&acc)[kWgmmaTiles][2][4]) {
  using G = WgmmaGemm<kBits, kRunSteps>;
  constexpr int kPiece = kRunSteps == 4 ? 2 : kRunSteps, kRunsInAll = kStretch * G::kRuns;   // kPiece: products that are loaded and run together
  uint32_t a[4][4];
  HST_DEVICE_UNROLL
  for (int i = 0; i < kRunsInAll; ++i) {
    const int run = i % G::kRuns, first = run * kRunSteps, at = slot + i / G::kRuns;
    const std::byte* const stage = place.ring + at * G::kStageBytes;
    if (run == 0) WgmmaNextStage<kBits, kRunSteps>(p, place, number + i / G::kRuns, at);
    const uint64_t tile = DescribeTile(stage);
    // The first half's products; a wait is for those that read the registers that are filled next.
    if (kRunSteps == 4 && i > 0) WgmmaWait<1>();
    WgmmaLoad<kBits, kRunSteps, kPiece>(stage, first, a);
    WgmmaMultiply<kPiece>(tile, 0, first, !begins, a, dot[0]);
    if (i > 0) WgmmaWait<1>();
    if (kRunSteps == 4) {
      WgmmaLoad<kBits, kRunSteps, kPiece>(stage, 2, a);
      WgmmaMultiply<kPiece>(tile, 0, 2, true, a, dot[0]);
    }
    if (i > 0) {   // the run before: its second half
      AfterWait(dot[1]);
      WgmmaFinishRun<kBits, kRunSteps>(p, run > 0 ? stage : stage - G::kStageBytes, (i - 1) % G::kRuns, 1, sw, dot[1], acc);
    }
    WgmmaMultiply<kPiece>(tile, 1, first, !begins, a, dot[1]);
    if (kRunSteps == 4) WgmmaMultiply<kPiece>(tile, 1, 2, true, a, dot[1]);
    WgmmaWait<kRunSteps == 4 ? 2 : 1>();
    AfterWait(dot[0]);
    if (ends) WgmmaFinishRun<kBits, kRunSteps>(p, stage, run, 0, sw, dot[0], acc);
  }
  WgmmaWait<0>();
  AfterWait(dot[1]);
  if (ends)
    WgmmaFinishRun<kBits, kRunSteps>(p, place.ring + (slot + kStretch - 1) * G::kStageBytes, G::kRuns - 1, 1, sw, dot[1], acc);
}

// The sums of a tile. `wait`: for the kernel before.
template <int kBits, int kRunSteps>
HST_DEVICE void WgmmaTile(const IntegerLinear& p, const WgmmaPlace& place, const GemmStack<kWgmmaThreads>& stack, bool wait,
                          float (&acc)[kWgmmaTiles][2][4]) {
  using G = WgmmaGemm<kBits, kRunSteps>;
  constexpr int kSegment = kChunkK / kWgmmaK;   // stages
  HST_DEVICE_UNROLL
  for (int i = 0; i < G::kAhead; ++i) WgmmaFetchWeights<kBits, kRunSteps>(place.ring + i * G::kStageBytes, p, place.first_block, i * kWgmmaK);
  float sw[2] = {};
  if constexpr (kBits == 8)
    if (!p.half_scale) LoadPairScales(p, place.first_block + threadIdx.x / kWarp, threadIdx.x % kWarp / 4, sw);
  if (wait) WaitForPrevious();
  HST_DEVICE_UNROLL
  for (int i = 0; i < G::kAhead; ++i) {   // the weights of all belong to the first group
    WgmmaFetchX<kBits, kRunSteps>(place.ring + i * G::kStageBytes, p, place.first_row, i * kWgmmaK);
    CommitCopies();
  }

  WgmmaSums dot[2] = {};
  const int stages = (p.k + kWgmmaK - 1) / kWgmmaK, run_mask = (1 << p.run_shift) - 1;
  for (int number = 0, depth = 0; number < stages;) {
    if (number + kSegment <= stages && p.run_shift <= kWgmmaShift) {   // a segment begins in slot 0
      WgmmaStages<kBits, kRunSteps, kSegment>(p, place, number, 0, true, true, sw, dot, acc);
      number += kSegment;
    } else {
      const bool begins = kRunSteps < 4 || (number * kWgmmaK & run_mask) == 0, last = number + 1 == stages;
      const bool ends = kRunSteps < 4 || last || ((number + 1) * kWgmmaK & run_mask) == 0;
      WgmmaStages<kBits, kRunSteps, 1>(p, place, number, number % G::kStages, begins, ends, sw, dot, acc);
      ++number;
    }
    if (!p.one_run && (number % kSegment == 0 || number == stages))
      GemmFinishSegment<kWgmmaTiles>(stack, HalvingMerges((number - 1) / kSegment, p.segments), number == stages, depth, acc);
  }
}

// Writes a thread's sums of the tile at these rows of W and x.
HST_DEVICE void WgmmaStore(const IntegerLinear& p, const float (&acc)[kWgmmaTiles][2][4], int first_block, int first_row) {
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, n = (first_block + warp) * 16 + lane / 4 * 2;
  HST_DEVICE_UNROLL
  for (int e = 0; e < kWgmmaTiles * 8; e += 4)   // columns 8 (e / 4) + 2 t and the next, for two rows of W each
    HST_DEVICE_UNROLL
    for (int c = 0; c < 2; ++c) {
      const int m = first_row + e * 2 + lane % 4 * 2 + c;
      if (m >= p.rows || (p.parts > 1 && c > 0)) continue;
      float* out = p.out + (m >> (p.parts - 1)) * p.out_stride + n;   // 1 or 2 parts
      HST_DEVICE_UNROLL
      for (int r = 0; r < 2; ++r) {
        float v = acc[e / 8][e / 4 % 2][r * 2 + c];
        if (p.parts > 1) v = v + acc[e / 8][e / 4 % 2][r * 2 + 1];   // its residual is the next row
        if (n + r < p.n) out[r] = p.bias ? v + p.bias[n + r] : v;
      }
    }
}

template <int kBits, int kRunSteps>
__global__ void __launch_bounds__(kWgmmaThreads, 1) LinearWgmmaKernel(IntegerLinear p, GemmWork work) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL) || !defined(__CUDA_ARCH__)
  using G = WgmmaGemm<kBits, kRunSteps>;
  HST_DYNAMIC_SHARED(shared);
  LetNextStart();
  std::byte* const ring = shared + (kTileAlign - SharedAddress(shared) % kTileAlign) % kTileAlign;
  const GemmStack<kWgmmaThreads> stack{work.scratch + int64_t{blockIdx.x} * work.below * (G::kLevelBytes / 4) + threadIdx.x,
                                       reinterpret_cast<float*>(ring + G::kStages * G::kStageBytes) + threadIdx.x, work.below};
  const int across = (p.rows + kWgmmaCols - 1) / kWgmmaCols, tiles = across * ((p.blocks + kWgmmaBlocks - 1) / kWgmmaBlocks), step = gridDim.x;
  for (int tile = blockIdx.x; tile < tiles; tile += step) {
    const bool first = tile < step;
    if (!first) {   // the ring is used again
      WaitCopies<0>();
      __syncthreads();
    }
    const int first_block = tile / across * kWgmmaBlocks, first_row = tile % across * kWgmmaCols;
    float acc[kWgmmaTiles][2][4] = {};
    WgmmaTile<kBits, kRunSteps>(p, {ring, first_block, first_row}, stack, first, acc);
    WgmmaStore(p, acc, first_block, first_row);
  }
#else
  (void)p, (void)work;
#endif
}

}  // namespace hasten::cuda
