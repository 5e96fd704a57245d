// Few rows of x against integer weights: a block of threads for 32 rows of W and all of
// K, its warps sharing out the segments. Every weight is read once, so all that counts
// is how many bytes are on the way: each warp has a ring of its own in shared memory,
// filled by asynchronous copies that take no registers, and fills it before it waits
// for the kernel that makes x: weights never change. The tensor cores multiply for one
// row as for eight, since a product by dp4a would cost more instructions.
#pragma once

#include "runtime/kernels/cuda/sums.cuh"
#include "runtime/kernels/linear/cuda/integer.cuh"

namespace hasten::cuda {

inline constexpr int kGemvWarps = 8;     // at most
inline constexpr int kXStride = kChunkK + 32;   // bytes: rows of x in different banks
inline constexpr int kMostRuns = kChunkK / 32;

// kTiles: of 8 rows of x.
template <int kBits, int kTiles>
struct Gemv {
  static constexpr int kRows = 8 * kTiles;   // at most
  // 6 KiB of a warp on the way, or 8: two blocks' warps cover the latency of memory.
  static constexpr int kStages = kBits == 4 ? 6 : kBits == 8 ? 4 : 5;
  static constexpr int kStageBytes = 2 * Codes<kBits>::kBytes + StageScales<2>::kBytes;
  static constexpr int WarpBytes(int rows) { return kStages * kStageBytes + rows * kXStride + 2 * kMostRuns * kRows * 4; }
  static constexpr int SharedBytes(int warps, int rows, int segments) {
    return warps * WarpBytes(rows) + segments * rows * kPairRows * 4;
  }
};

// One stage from element k of K on; nothing where K has ended.
template <int kBits>
HST_DEVICE void GemvFetch(std::byte* stage, const IntegerLinear& p, int first_block, int k, int lane) {
  using C = Codes<kBits>;
  HST_DEVICE_UNROLL
  for (int block = 0; block < 2; ++block) {
    const std::byte* from = p.w + (first_block + block) * p.block_bytes;
    const bool live = k < p.k && first_block + block < p.blocks;
    ForEachOf<C::kChunks, kWarp>(lane, [&](int c) { C::Copy(stage + block * C::kBytes, p, from, c, k, live); });
  }
  if (lane < (C::kZero ? StageScales<2>::kCopies : StageScales<2>::kScaleCopies))
    StageScales<2>::Copy(stage + 2 * C::kBytes, p, first_block, lane, k, p.k, C::kZero);
  CommitCopies();
}

// The codes of a segment of x, its scales and sums [run][kRows].
template <int kRows>
HST_DEVICE void GemvLoadX(std::byte* x, float* sx, int32_t* sum, const IntegerLinear& p, int segment, int lane) {
  const int at = segment * kChunkK + lane * 16;
  if (at < p.q_stride)
    for (int m = 0; m < p.rows; ++m)
      *reinterpret_cast<uint4*>(x + m * kXStride + lane * 16) = *reinterpret_cast<const uint4*>(p.q + m * p.q_stride + at);
  const int log = p.one_run ? 0 : 9 - p.run_shift, first = segment * kChunkK >> p.run_shift;   // of a segment's runs
  for (int i = lane; i < p.rows << log; i += kWarp) {
    const int m = i >> log, r = i & ((1 << log) - 1);
    const bool live = first + r < p.g_stride;
    sx[r * kRows + m] = live ? p.sx[m * p.g_stride + first + r] : 0.0f;
    sum[r * kRows + m] = live ? p.sum[m * p.g_stride + first + r] : 0;
  }
}

// The sum of row `row` of W by row m of x where all of K is one run: `sums` holds the
// parts of its dot product, `step` apart.
HST_DEVICE float GemvOneRun(const float* sums, int step, const IntegerLinear& p, int row, int m) {
  uint32_t dot = 0;
  for (int i = 0; i < p.segments; ++i) dot += Bits(sums[i * step]);
  const int block = row / 16;
  const std::byte* w = p.w + block * p.block_bytes;
  const uint32_t zero = p.zero_offset > 0 ? static_cast<uint32_t>(w[p.zero_offset + row % 16]) : 128u;
  const std::byte* scale = w + p.code_bytes;
  const float sw = p.half_scale ? WidenHalf(reinterpret_cast<const uint16_t*>(scale)[row % 16]) : reinterpret_cast<const float*>(scale)[row % 16];
  dot -= zero * static_cast<uint32_t>(p.sum[m * p.g_stride]);
  return Fma(static_cast<float>(static_cast<int32_t>(dot)), p.sx[m * p.g_stride] * sw, 0.0f);
}

// A warp's part of shared memory.
template <class G>
struct GemvMemory {
  std::byte *ring, *x;
  float* sx;
  int32_t* sum;
  HST_DEVICE GemvMemory(std::byte* at, int rows)
      : ring(at), x(at + G::kStages * G::kStageBytes), sx(reinterpret_cast<float*>(x + rows * kXStride)), sum(reinterpret_cast<int32_t*>(sx + kMostRuns * G::kRows)) {}
};

// Takes a finished run into the segment's sums, acc[tile][row of W][column], and its
// products back to their beginning. `zeros`: a byte for each of the lane's rows of W; `sw`: their scales;
// `first`: of the run's scales and sums of x.
template <int kTiles, int kCols, bool kShort>
HST_DEVICE void GemvFinishRun(const float* sx, const int32_t* sum, int first, uint32_t zeros, const float (&sw)[4], int32_t (&dot)[kTiles][2][4],
                              float (&acc)[kTiles][4][kCols]) {
  HST_DEVICE_UNROLL
  for (int j = 0; j < kTiles; ++j)
    HST_DEVICE_UNROLL
    for (int c = 0; c < kCols; ++c) {
      const float scale = sx[first + j * 8 + c];
      const int32_t total = sum[first + j * 8 + c];
      HST_DEVICE_UNROLL
      for (int r = 0; r < 4; ++r) {   // row 4 g + r: product r / 2, its row g or g + 8
        int32_t& d = dot[j][r / 2][r % 2 * 2 + c];
        const int32_t exact = d - static_cast<int32_t>(zeros >> (8 * r) & 255u) * total;
        acc[j][r][c] = Fma(DotOfRun<kShort>(exact), scale * sw[r], acc[j][r][c]);
        d = kShort ? kDotOrigin : 0;
      }
    }
}

// The products of a stage at element k of K, and the runs that end in it.
template <int kBits, int kTiles, int kCols>
HST_DEVICE void GemvStage(const IntegerLinear& p, const std::byte* stage, const GemvMemory<Gemv<kBits, kTiles>>& of, int k, int end, int lane,
                          float (&sw)[4], int32_t (&dot)[kTiles][2][4], float (&acc)[kTiles][4][kCols]) {
  using C = Codes<kBits>;
  const int g = lane / 4, t = lane % 4, block = g / 4, quad = g % 4;
  const std::byte* scales = stage + 2 * C::kBytes;
  HST_DEVICE_UNROLL
  for (int step = 0; step < 2; ++step) {
    const int at = k + step * kStep, to = at + kStep;
    if (at >= end) break;
    uint32_t low[4], high[4];
    C::Load(stage + block * C::kBytes, step, lane, low, high);
    HST_DEVICE_UNROLL
    for (int j = 0; j < kTiles; ++j) {   // a row of x that there isn't has sums that nobody reads
      const uint2 q = *reinterpret_cast<const uint2*>(of.x + (j * 8 + g < p.rows ? j * 8 + g : 0) * kXStride + at % kChunkK + t * 8);
      HST_DEVICE_UNROLL
      for (int i = 0; i < 2; ++i)
        MmaU8S8(dot[j][i], {low[2 * i], low[2 * i + 1], high[2 * i], high[2 * i + 1]}, {q.x, q.y});
    }
    if (p.one_run || (to < end && (to & ((1 << p.run_shift) - 1)) != 0)) continue;
    if (C::kZero || p.half_scale) StageScales<2>::Scales(scales, step, block, quad, sw);
    const uint32_t zeros = C::kZero ? StageScales<2>::Zeros(scales, step, block, quad) : 0x80808080u;
    const int first = ((at % kChunkK) >> p.run_shift) * (8 * kTiles) + (kCols == 1 ? 0 : t * 2);
    if (p.short_runs) GemvFinishRun<kTiles, kCols, true>(of.sx, of.sum, first, zeros, sw, dot, acc);
    else GemvFinishRun<kTiles, kCols, false>(of.sx, of.sum, first, zeros, sw, dot, acc);
  }
}

// Leaves a lane's sums of a segment at `to`, [row of x][32]; of one run: its products.
template <int kTiles, int kCols>
HST_DEVICE void GemvKeep(const IntegerLinear& p, float* to, int lane, const int32_t (&dot)[kTiles][2][4], const float (&acc)[kTiles][4][kCols]) {
  HST_DEVICE_UNROLL
  for (int j = 0; j < kTiles; ++j)
    HST_DEVICE_UNROLL
    for (int c = 0; c < kCols; ++c) {
      const int m = j * 8 + lane % 4 * 2 + c;
      if (m >= p.rows) continue;
      float v[4];
      HST_DEVICE_UNROLL
      for (int r = 0; r < 4; ++r) v[r] = p.one_run ? FromBits<float>(static_cast<uint32_t>(dot[j][r / 2][r % 2 * 2 + c])) : acc[j][r][c];
      *reinterpret_cast<float4*>(to + m * kPairRows + lane / 4 * 4) = make_float4(v[0], v[1], v[2], v[3]);
    }
}

// kOne: p.rows is 1, and a lane keeps one of its two columns.
template <int kBits, int kTiles, bool kOne>
__global__ void __launch_bounds__(kGemvWarps* kWarp, kTiles == 1 ? 3 : kTiles == 2 ? 2 : 1) LinearGemvKernel(IntegerLinear p) {
  using G = Gemv<kBits, kTiles>;
  constexpr int kCols = kOne ? 1 : 2;
  HST_DYNAMIC_SHARED(shared);
  LetNextStart();
  const int warps = blockDim.x / kWarp, warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, first_block = blockIdx.x * 2;
  const GemvMemory<G> of(shared + warp * G::WarpBytes(p.rows), p.rows);
  float* const sums = reinterpret_cast<float*>(shared + warps * G::WarpBytes(p.rows));   // [segment][row of x][32]

  int fetch = warp * kChunkK, slot = 0;
  const auto next = [&](int into) {
    GemvFetch<kBits>(of.ring + into * G::kStageBytes, p, first_block, fetch, lane);
    fetch += kStageK;
    if (fetch % kChunkK == 0) fetch += (warps - 1) * kChunkK;
  };
  for (int i = 0; i < G::kStages - 1; ++i) next(i);
  float sw[4] = {};
  if constexpr (kBits == 8)
    if (!p.half_scale) LoadChannelScales(p, first_block + lane / 16, lane / 4 % 4, sw);
  WaitForPrevious();

  for (int s = warp; s < p.segments; s += warps) {
    __syncwarp();   // the segment before has been read
    GemvLoadX<G::kRows>(of.x, of.sx, of.sum, p, s, lane);
    __syncwarp();
    const int32_t origin = DotOrigin(p);
    int32_t dot[kTiles][2][4];
    HST_DEVICE_UNROLL
    for (int i = 0; i < kTiles * 8; ++i) dot[i / 8][i / 4 % 2][i % 4] = origin;
    float acc[kTiles][4][kCols] = {};
    const int end = p.k < (s + 1) * kChunkK ? p.k : (s + 1) * kChunkK;
    for (int k = s * kChunkK; k < end; k += kStageK) {
      WaitCopies<G::kStages - 2>();
      __syncwarp();   // all lanes' copies are there, and all have read the slot that is filled now
      next(slot == 0 ? G::kStages - 1 : slot - 1);
      GemvStage<kBits, kTiles, kCols>(p, of.ring + slot * G::kStageBytes, of, k, end, lane, sw, dot, acc);
      slot = slot + 1 == G::kStages ? 0 : slot + 1;
    }
    GemvKeep<kTiles, kCols>(p, sums + s * p.rows * kPairRows, lane, dot, acc);
  }
  __syncthreads();

  const int step = p.rows * kPairRows;
  for (int i = threadIdx.x; i < p.rows / p.parts * kPairRows; i += blockDim.x) {
    const int row = first_block * 16 + i % kPairRows, m = i / kPairRows;
    if (row >= p.n) continue;
    const auto total = [&](int part) {
      float* of = sums + (m * p.parts + part) * kPairRows + i % kPairRows;
      return p.one_run ? GemvOneRun(of, step, p, row, m * p.parts + part) : SumByHalvingAlone(of, p.segments, step);
    };
    float v = total(0);
    if (p.parts > 1) v = v + total(1);
    p.out[m * p.out_stride + row] = p.bias ? v + p.bias[row] : v;
  }
}

}  // namespace hasten::cuda
