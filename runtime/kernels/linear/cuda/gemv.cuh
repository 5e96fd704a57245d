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

// What a lane copies of every stage: where its chunks come from at K = 0, where they go in
// the stage, and how many bytes of K there are. A stage then costs an addition and a
// comparison a copy: the multiprocessor's issue slots are as scarce here as bandwidth.
template <int kBits>
struct GemvCopies {
  using C = Codes<kBits>;
  using S = StageScales<2>;
  static constexpr int kAll = 2 * C::kChunks, kEach = (kAll + kWarp - 1) / kWarp;
  static constexpr int kScales = C::kZero ? S::kCopies : S::kScaleCopies;
  // Where a block is whole rounds of the lanes, what is said of its first round holds for
  // the others, so many bytes further on.
  static constexpr bool kRounds = C::kChunks % kWarp == 0;
  static constexpr int kOwn = kRounds ? 2 : kEach;
  static constexpr int Own(int j) { return kRounds ? j * kWarp / C::kChunks : j; }
  static constexpr int Further(int j) { return kRounds ? j * kWarp % C::kChunks * 16 : 0; }
  const std::byte* from[kOwn];
  int to[kOwn], bytes[kOwn];
  const std::byte* scale;                       // of group 0; or its zero-points
  int scale_to, scale_k, scale_end, scale_log;  // for the step at K + scale_k, before scale_end; 2^scale_log bytes a group

  HST_DEVICE GemvCopies(const IntegerLinear& p, int first_block, int lane) {
    const auto block_at = [&](int block) { return p.w + (first_block + block) * p.block_bytes; };
    HST_DEVICE_UNROLL
    for (int j = 0; j < kOwn; ++j) {
      const int i = lane + j * (kRounds ? C::kChunks : kWarp), block = i / C::kChunks, c = i % C::kChunks;
      from[j] = Kept(block_at(block) + c * 16);
      to[j] = Kept(block * C::kBytes + Turned(c) * 16);
      bytes[j] = Kept(first_block + block < p.blocks ? p.code_bytes - c * 16 : 0);
    }
    const bool is_scale = lane < S::kScaleCopies;
    const int i = is_scale ? lane / 2 : lane - S::kScaleCopies, block = i % 2;
    scale = Kept(block_at(block) + (is_scale ? p.code_bytes + lane % 2 * 16 : p.zero_offset));
    scale_to = Kept(2 * C::kBytes + (is_scale ? lane * 16 : S::kZeros + i * 16));
    scale_k = Kept(i / 2 * kStep), scale_log = Kept(is_scale ? 5 : 4);
    scale_end = Kept(first_block + block < p.blocks && (is_scale ? p.half_scale : C::kZero) ? p.k : 0);
  }

  // One stage from element k of K on; nothing where K has ended.
  HST_DEVICE void Fetch(std::byte* stage, const IntegerLinear& p, int k, int lane) const {
    const int at = k * C::kPerElement;
    HST_DEVICE_UNROLL
    for (int j = 0; j < kEach; ++j)
      if ((j + 1) * kWarp <= kAll || lane + j * kWarp < kAll)
        CopyToShared(stage + to[Own(j)] + Further(j), from[Own(j)] + at + Further(j), at + Further(j) < bytes[Own(j)]);
    if (lane < kScales)
      CopyToShared(stage + scale_to, scale + ((k + scale_k) >> p.group_shift << scale_log), k + scale_k < scale_end);
    CommitCopies();
  }
};

// Where a lane's operands lie, in a stage and in a segment of x.
template <int kBits, int kTiles>
struct GemvPlaces {
  int codes[2][Codes<kBits>::kLoads], x[kTiles], scales, zeros;
  int run_mask, no_end;   // a run ends where K & run_mask is 0, and at the end; one that is all of K does not end here

  HST_DEVICE int last(int end) const { return end | no_end; }
  HST_DEVICE GemvPlaces(const IntegerLinear& p, int lane) {
    using C = Codes<kBits>;
    const int g = lane / 4, t = lane % 4, block = g / 4, quad = g % 4;
    HST_DEVICE_UNROLL
    for (int i = 0; i < 2 * C::kLoads; ++i) codes[i / C::kLoads][i % C::kLoads] = Kept(block * C::kBytes + C::Place(i / C::kLoads, lane, i % C::kLoads));
    HST_DEVICE_UNROLL
    for (int j = 0; j < kTiles; ++j) x[j] = Kept((j * 8 + g < p.rows ? j * 8 + g : 0) * kXStride + t * 8);   // a row that there isn't has sums that nobody reads
    run_mask = Kept(p.one_run ? 0x7fffffff : (1 << p.run_shift) - 1), no_end = Kept(p.one_run ? 0x7fffffff : 0);
    scales = Kept(2 * C::kBytes + block * 32 + quad * 8), zeros = Kept(2 * C::kBytes + block * 16 + quad * 4);
  }
};

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
HST_DEVICE void GemvStage(const IntegerLinear& p, const std::byte* stage, const GemvPlaces<kBits, kTiles>& at_lane,
                          const GemvMemory<Gemv<kBits, kTiles>>& of, int k, int end, int lane, float (&sw)[4], int32_t (&dot)[kTiles][2][4],
                          float (&acc)[kTiles][4][kCols]) {
  using C = Codes<kBits>;
  const std::byte* x = of.x + k % kChunkK;
  HST_DEVICE_UNROLL
  for (int step = 0; step < 2; ++step) {
    const int at = k + step * kStep, to = at + kStep;
    if (at >= end) break;
    uint32_t low[4], high[4];
    C::LoadAt(stage + at_lane.codes[step][0], stage + at_lane.codes[step][C::kLoads - 1], lane, low, high);
    HST_DEVICE_UNROLL
    for (int j = 0; j < kTiles; ++j) {
      const uint2 q = *reinterpret_cast<const uint2*>(x + at_lane.x[j] + step * kStep);
      HST_DEVICE_UNROLL
      for (int i = 0; i < 2; ++i)
        MmaU8S8(dot[j][i], {low[2 * i], low[2 * i + 1], high[2 * i], high[2 * i + 1]}, {q.x, q.y});
    }
    if (to < at_lane.last(end) && (to & at_lane.run_mask) != 0) continue;
    if (C::kZero || p.half_scale) StageScales<2>::Scales(stage + at_lane.scales, step, 0, 0, sw);
    const uint32_t zeros = C::kZero ? StageScales<2>::Zeros(stage + at_lane.zeros, step, 0, 0) : 0x80808080u;
    const int first = ((at % kChunkK) >> p.run_shift) * (8 * kTiles) + (kCols == 1 ? 0 : lane % 4 * 2);
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
  if constexpr (kOne) p.rows = p.parts = 1;   // known to the compiler, loops over rows go
  const int warps = blockDim.x / kWarp, warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, first_block = blockIdx.x * 2;
  const GemvMemory<G> of(shared + Kept(warp * G::WarpBytes(p.rows)), p.rows);
  float* const sums = reinterpret_cast<float*>(shared + warps * G::WarpBytes(p.rows));   // [segment][row of x][32]

  const GemvCopies<kBits> copies(p, first_block, lane);
  constexpr int kLastSlot = (G::kStages - 1) * G::kStageBytes;
  const int jump = Kept((warps - 1) * kChunkK);   // over the other warps' segments
  int fetch = warp * kChunkK;
  const auto next = [&](int slot) {
    copies.Fetch(of.ring + slot, p, fetch, lane);
    fetch += kStageK;
    if (fetch % kChunkK == 0) fetch += jump;
  };
  for (int slot = 0; slot < kLastSlot; slot += G::kStageBytes) next(slot);
  float sw[4] = {};
  if constexpr (kBits == 8)
    if (!p.half_scale) LoadChannelScales(p, first_block + lane / 16, lane / 4 % 4, sw);
  const GemvPlaces<kBits, kTiles> places(p, lane);
  WaitForPrevious();

  int slot = 0, free = kLastSlot;   // bytes of the ring
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
      next(free);
      GemvStage<kBits, kTiles, kCols>(p, of.ring + slot, places, of, k, end, lane, sw, dot, acc);
      free = slot, slot = slot == kLastSlot ? 0 : slot + G::kStageBytes;
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
