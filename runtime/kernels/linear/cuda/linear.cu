// linear's rows for CUDA devices.
#include <algorithm>
#include <string_view>

#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/linear/cuda/float.cuh"
#include "runtime/kernels/linear/cuda/gemm.cuh"
#include "runtime/kernels/linear/cuda/gemv.cuh"
#include "runtime/kernels/linear/cuda/wgmma.cuh"
#include "runtime/kernels/linear/plan.h"

namespace hasten::cuda {
namespace {

constexpr int64_t kMostK = int64_t{1} << 18, kMostN = int64_t{1} << 21;   // of shared memory, of a grid
constexpr int kMostGemvSegments = 32;   // of sums in shared memory; beyond, as with many rows

constexpr int kNarrow = 4, kWide = 8;    // tiles of x of a warp with many rows

int Log2(int64_t n) {
  int log = 0;
  while (int64_t{1} << log < n) ++log;
  return log;
}

template <int kBits>
bool Accepts(const LinearArgs& a) {
  return GetScheme(a.scheme).bits == kBits && a.k <= kMostK && a.n <= kMostN && SelectKernel(LinearKernels(), a, Isa::kScalar);
}

IntegerLinear Describe(const LinearArgs& a) {
  const PackedLayout l = LayoutOf(a.scheme, a.n, a.k);
  IntegerLinear p{};
  p.w = a.w, p.q = a.xq.q, p.sx = a.xq.scale, p.sum = a.xq.sum, p.bias = a.bias, p.out = a.out;
  p.q_stride = a.xq.q_stride, p.g_stride = a.xq.g_stride, p.out_stride = a.out_stride, p.block_bytes = l.block_bytes;
  p.rows = static_cast<int>(a.rows * a.xq.parts), p.parts = static_cast<int>(a.xq.parts);
  p.n = static_cast<int>(a.n), p.k = static_cast<int>(a.k), p.blocks = static_cast<int>(l.blocks);
  p.code_bytes = static_cast<int>(l.scale_offset);
  p.zero_offset = GetScheme(a.scheme).zero_point ? static_cast<int>(l.zero_offset) : 0;
  p.one_run = a.ga >= a.k, p.half_scale = l.scale_bytes == 2;
  p.run_shift = p.one_run ? kOneShift : Log2(a.ga);
  p.short_runs = p.run_shift <= kShortShift;
  p.group_shift = l.groups == 1 ? kOneShift : Log2(l.group);
  p.segments = static_cast<int>((a.k + kChunkK - 1) / kChunkK);
  return p;
}

// As many warps as share the segments out best.
int WarpsFor(int segments, int most) {
  if (segments <= most) return segments;
  const int each = (segments + most - 1) / most;
  return (segments + each - 1) / each;
}

// Few rows: false where shared memory has no room for them.
template <int kBits, int kTiles, bool kOne>
bool RunGemv(const IntegerLinear& p, DeviceQueue& q) {
  int warps = WarpsFor(p.segments, kGemvWarps);
  const auto bytes = [&] { return Gemv<kBits, kTiles>::SharedBytes(warps, p.rows, p.segments); };
  while (warps > 1 && bytes() > BlockSharedMemory(q.arch)) warps = WarpsFor(p.segments, warps - 1);
  if (p.segments > kMostGemvSegments || bytes() > BlockSharedMemory(q.arch)) return false;
  Launch(q, "linear_gemv", {dim3(static_cast<unsigned>((p.blocks + 1) / 2)), dim3(static_cast<unsigned>(warps * kWarp)), static_cast<size_t>(bytes())},
         LinearGemvKernel<kBits, kTiles, kOne>, p);
  return true;
}

// How a step of many rows runs.
struct GemmShape {
  int64_t tiles = 0;
  unsigned grid = 0;
  int split = 0;                        // parts of a tile, as a power of two
  int shared_levels = 0, below = 0;     // levels of the stack in shared memory and in scratch
  int64_t parts_at = 0;                 // floats of scratch before the parts' sums
};
template <int kBits, int kTiles>
GemmShape ShapeOf(const IntegerLinear& p, const DeviceQueue& q) {
  using G = Gemm<kBits, kTiles>;
  GemmShape s;
  const int64_t resident = int64_t{G::kPerProcessor} * q.processors;
  s.tiles = int64_t{(p.rows + G::kCols - 1) / G::kCols} * ((p.blocks + kGemmBlocks - 1) / kGemmBlocks);
  if (kTiles == kNarrow && !p.one_run && s.tiles < q.processors)
    while (s.split < kGemmMostSplit && s.tiles << s.split < resident && 2 << s.split <= p.segments) ++s.split;
  s.grid = static_cast<unsigned>(std::min(s.tiles << s.split, resident));
  const int levels = p.one_run ? 0 : Log2(p.segments) - s.split;
  s.shared_levels = std::min(levels, kGemmSharedLevels);
  while (s.shared_levels > 0 && G::SharedBytes(s.shared_levels) > BlockSharedMemory(q.arch)) --s.shared_levels;
  s.below = levels - s.shared_levels;
  s.parts_at = int64_t{s.grid} * s.below * (G::kLevelBytes / 4);
  return s;
}

// Enough for any step of no more rows: all blocks' stacks whatever the split, and the
// parts of the most tiles that are split.
template <int kBits, int kTiles>
size_t GemmScratch(const IntegerLinear& p, const DeviceQueue& q) {
  using G = Gemm<kBits, kTiles>;
  const int levels = p.one_run ? 0 : Log2(p.segments);
  int shared = std::min(levels, kGemmSharedLevels);
  while (shared > 0 && G::SharedBytes(shared) > BlockSharedMemory(q.arch)) --shared;
  const int64_t stacks = int64_t{G::kPerProcessor} * q.processors * (levels - shared);
  const int64_t parts = kTiles != kNarrow || p.one_run || p.segments < 2 ? 0 : int64_t{q.processors} << kGemmMostSplit;
  return static_cast<size_t>((stacks + parts) * G::kLevelBytes);
}
template <int kBits, int kTiles>
void RunGemm(const IntegerLinear& p, const GemmShape& s, DeviceQueue& q) {
  using G = Gemm<kBits, kTiles>;
  const GemmWork work{reinterpret_cast<float*>(q.scratch), s.below, s.split, s.parts_at};
  const LaunchShape shape{dim3(s.grid), dim3(kGemmThreads), static_cast<size_t>(G::SharedBytes(s.shared_levels))};
  if (p.run_shift == Log2(kStageK)) Launch(q, "linear_gemm", shape, LinearGemmKernel<kBits, kTiles, true>, p, work);
  else Launch(q, "linear_gemm", shape, LinearGemmKernel<kBits, kTiles, false>, p, work);
  if constexpr (kTiles == kNarrow)
    if (s.split > 0) Launch(q, "linear_gemm_parts", {dim3(static_cast<unsigned>(s.tiles)), dim3(kGemmThreads)}, LinearGemmPartsKernel<kTiles>, p, work);
}

// Of all steps, since which kernel runs is decided by a step's rows.
template <int kBits>
size_t Scratch(const LinearArgs& a, const DeviceQueue& q) {
  const IntegerLinear p = Describe(a);
  return std::max(GemmScratch<kBits, kWide>(p, q), GemmScratch<kBits, kNarrow>(p, q));
}

template <int kBits>
void RunInteger(const LinearArgs& a, DeviceQueue& q) {
  const IntegerLinear p = Describe(a);
  if (p.rows == 0) return;
  if (p.rows == 1 && RunGemv<kBits, 1, true>(p, q)) return;
  if (p.rows <= 8 && RunGemv<kBits, 1, false>(p, q)) return;
  if (p.rows <= 16 && RunGemv<kBits, 2, false>(p, q)) return;
  if (p.rows <= 32 && RunGemv<kBits, 4, false>(p, q)) return;
  // Wide tiles unpack a code for more products; narrow ones where wide ones would leave processors idle.
  const GemmShape wide = ShapeOf<kBits, kWide>(p, q);
  if (p.rows > 64 && wide.tiles >= q.processors) RunGemm<kBits, kWide>(p, wide, q);
  else RunGemm<kBits, kNarrow>(p, ShapeOf<kBits, kNarrow>(p, q), q);
}

// Whether this build has the kernel's code for Hopper.
#if defined(HASTEN_CUDA_ARCHITECTURES)
constexpr bool kHasWgmma = std::string_view(HASTEN_CUDA_ARCHITECTURES).find("sm_90a") != std::string_view::npos;
#else
constexpr bool kHasWgmma = true;   // the emulator
#endif

// How many rows on Hopper run, if at all: `grid` is 0 where there are too few tiles.
template <int kBits>
GemmShape WgmmaShapeOf(const IntegerLinear& p, const DeviceQueue& q) {
  using G = WgmmaGemm<kBits, 1>;   // the largest stages
  GemmShape s;
  s.tiles = int64_t{(p.rows + kWgmmaCols - 1) / kWgmmaCols} * ((p.blocks + kWgmmaBlocks - 1) / kWgmmaBlocks);
  if (!kHasWgmma || q.arch != 90 || p.rows <= 64 || 4 * s.tiles < 3 * int64_t{q.processors}) return s;
  s.grid = static_cast<unsigned>(std::min<int64_t>(s.tiles, q.processors));
  const int levels = p.one_run ? 0 : Log2(p.segments);
  s.shared_levels = std::min(levels, kGemmSharedLevels);
  while (s.shared_levels > 0 && G::SharedBytes(s.shared_levels) > BlockSharedMemory(q.arch)) --s.shared_levels;
  s.below = levels - s.shared_levels;
  return s;
}

template <int kBits>
size_t WgmmaScratch(const LinearArgs& a, const DeviceQueue& q) {
  const GemmShape s = WgmmaShapeOf<kBits>(Describe(a), q);   // fewer rows have no more blocks
  return std::max(Scratch<kBits>(a, q), static_cast<size_t>(int64_t{s.grid} * s.below * WgmmaGemm<kBits, 1>::kLevelBytes));
}

template <int kBits, int kRunSteps>
void RunWgmma(const IntegerLinear& p, const GemmShape& s, DeviceQueue& q) {
  const GemmWork work{reinterpret_cast<float*>(q.scratch), s.below, 0, 0};
  Launch(q, "linear_wgmma", {dim3(s.grid), dim3(kWgmmaThreads), static_cast<size_t>(WgmmaGemm<kBits, kRunSteps>::SharedBytes(s.shared_levels))},
         LinearWgmmaKernel<kBits, kRunSteps>, p, work);
}

template <int kBits>
void RunHopper(const LinearArgs& a, DeviceQueue& q) {
  const IntegerLinear p = Describe(a);
  const GemmShape s = WgmmaShapeOf<kBits>(p, q);
  if (s.grid == 0) return RunInteger<kBits>(a, q);
  if (p.run_shift == 5) RunWgmma<kBits, 1>(p, s, q);
  else if (p.run_shift == 6) RunWgmma<kBits, 2>(p, s, q);
  else RunWgmma<kBits, 4>(p, s, q);
}

template <int kBits>
void RunFloat(const LinearArgs& a, DeviceQueue& q) {
  const int segments = static_cast<int>((a.k + kFloatSegment - 1) / kFloatSegment);
  const FloatLinear p{a.w, a.x, a.bias, a.out, a.x_stride, a.out_stride, LayoutOf(a.scheme, a.n, a.k).block_bytes, a.rows, a.n, a.k, segments};
  const auto shared = [&](int64_t cols) { return segments * cols * kFloatRows * 4; };
  const auto launch = [&](auto kernel, int64_t cols) {
    Launch(q, "linear_float",
           {dim3(static_cast<unsigned>((a.n + kFloatRows - 1) / kFloatRows), static_cast<unsigned>((a.rows + cols - 1) / cols)),
            dim3(static_cast<unsigned>(WarpsFor(segments, kFloatWarps) * kWarp)), static_cast<size_t>(shared(cols))},
           kernel, p);
  };
  // The sums of very many segments are more than some devices have shared memory for.
  if (a.rows == 1 || shared(kFloatCols) > BlockSharedMemory(q.arch)) launch(LinearFloatKernel<kBits == 16, 1>, 1);
  else launch(LinearFloatKernel<kBits == 16, kFloatCols>, kFloatCols);
}

constexpr DeviceKernel<LinearArgs> kTable[] = {
    {"linear_int4_cuda", 80, Accepts<4>, Scratch<4>, RunInteger<4>},   {"linear_int5_cuda", 80, Accepts<5>, Scratch<5>, RunInteger<5>},
    {"linear_int6_cuda", 80, Accepts<6>, Scratch<6>, RunInteger<6>},   {"linear_int8_cuda", 80, Accepts<8>, Scratch<8>, RunInteger<8>},
    {"linear_int4_wgmma_cuda", 90, Accepts<4>, WgmmaScratch<4>, RunHopper<4>, true}, {"linear_int5_wgmma_cuda", 90, Accepts<5>, WgmmaScratch<5>, RunHopper<5>, true},
    {"linear_int6_wgmma_cuda", 90, Accepts<6>, WgmmaScratch<6>, RunHopper<6>, true}, {"linear_int8_wgmma_cuda", 90, Accepts<8>, WgmmaScratch<8>, RunHopper<8>, true},
    {"linear_fp16_cuda", 80, Accepts<16>, nullptr, RunFloat<16>}, {"linear_fp32_cuda", 80, Accepts<32>, nullptr, RunFloat<32>},
};

}  // namespace

Table<LinearArgs> LinearTable() { return kTable; }

}  // namespace hasten::cuda
