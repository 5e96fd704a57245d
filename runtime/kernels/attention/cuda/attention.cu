// attention's rows for CUDA devices.
#include <algorithm>

#include "runtime/kernels/attention/cuda/combine.cuh"
#include "runtime/kernels/attention/cuda/float.cuh"
#include "runtime/kernels/attention/cuda/i8.cuh"
#include "runtime/kernels/attention/cuda/i8_split.cuh"
#include "runtime/kernels/attention/cuda/plan.h"
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/fused/contract.h"

namespace hasten::cuda {
namespace {

// Splits are shared out while blocks are fewer than kFewBlocks a multiprocessor, to about
// twice as many, as long as their sums take no more than kMostShared bytes: with so many
// keys, those few blocks read for long enough.
constexpr int64_t kFewBlocks = 2, kManyBlocks = 4;
constexpr int64_t kMostShared = int64_t{64} << 20;
constexpr int64_t kMostPairs = 64;

int64_t Up(int64_t n, int64_t to) { return (n + to - 1) / to; }

// Of a tile; where every tile has one row, paged.rows and paged.tile_count say so.
int64_t MostRows(const AttentionArgs& a) { return std::min(kPagedTileRows, a.paged.rows - a.paged.tile_count + 1); }

// Splits that the rows of a chunk see any key of.
int64_t MostSplits(const AttentionArgs& a) {
  const AttentionShape& s = a.shape;
  const int64_t all = std::max<int64_t>(Up(a.paged.most_keys, kSplitKeys), 1);
  if (s.window <= 0 || (!s.causal && s.ahead <= 0)) return all;
  return std::min(all, Up(s.window + (s.causal ? 0 : s.ahead) + kPagedTileRows, kSplitKeys) + 1);
}

int64_t PairBytes(const AttentionShape& s) { return RecordFloats(RoundUp(s.v_head_dim, 16)) * 4; }

// Chunks of `pairs` pairs; their splits are shared out where it helps and the scratch
// holds their sums.
AttentionCut CutOf(const AttentionArgs& a, const DeviceQueue& q, int64_t most_pairs, int64_t pairs) {
  AttentionCut cut;
  cut.pairs = static_cast<int>(std::min(most_pairs, pairs));
  cut.chunks = static_cast<int>(Up(most_pairs, pairs));
  const int64_t blocks = a.paged.tile_count * a.shape.kv_heads * cut.chunks, splits = MostSplits(a);
  const int64_t bytes = blocks * splits * cut.pairs * PairBytes(a.shape);
  const bool fits = bytes <= kMostShared && static_cast<uint64_t>(bytes) <= q.scratch_bytes;
  if (splits < 2 || blocks >= kFewBlocks * q.processors || !fits) return cut;
  cut.splits = static_cast<int>(splits);
  cut.groups = static_cast<int>(std::min(splits, Up(kManyBlocks * q.processors, blocks)));
  cut.record = RecordFloats(RoundUp(a.shape.v_head_dim, 16));
  cut.sums = reinterpret_cast<float*>(q.scratch);
  return cut;
}

size_t ScratchOf(const AttentionArgs& a, const DeviceQueue& q) {
  const int64_t pairs = std::min({kMostPairs, kPagedTileRows * (a.shape.heads / a.shape.kv_heads), a.paged.rows * a.shape.heads});
  return static_cast<size_t>(std::min(kMostShared, kFewBlocks * q.processors * MostSplits(a) * pairs * PairBytes(a.shape)));
}

dim3 GridOf(const AttentionArgs& a, const AttentionCut& cut) {
  return dim3(static_cast<unsigned>(a.paged.tile_count), static_cast<unsigned>(a.shape.kv_heads * cut.chunks),
              static_cast<unsigned>(cut.groups));
}

// After the blocks: puts shared out splits together, and quantizes, where that follows.
template <bool kFloat>
void Finish(const AttentionArgs& a, const AttentionCut& cut, const QuantizeArgs* then, DeviceQueue& q) {
  if (!cut.sums) {
    if (then) QuantizeTable().front().launch(*then, q);
    return;
  }
  const auto threads = static_cast<unsigned>(Up(cut.record - 16, kWarp) * kWarp);
  dim3 grid = GridOf(a, cut);
  grid.z = static_cast<unsigned>(cut.pairs);
  if (then) Launch(q, "attention_combine_cuda", {grid, threads}, CombineKernel<kFloat, true>, a, cut, *then);
  else Launch(q, "attention_combine_cuda", {grid, threads}, CombineKernel<kFloat, false>, a, cut, QuantizeArgs{});
}

// Launches the block of these template arguments, for I8Kernel, if the device holds it.
template <int kTiles, int kParts, int kColumns, int kPages, int kBlocks>
bool LaunchI8(const AttentionArgs& a, int64_t most_pairs, const QuantizeArgs* then, DeviceQueue& q) {
  using Block = I8Block<kTiles, kParts, kColumns, kPages>;
  const AttentionCut cut = CutOf(a, q, most_pairs, Block::kPairs);
  const I8Shared at = I8SharedOf(a.shape, Block::kPairs, kPages, !cut.sums);
  if (a.shape.v_head_dim > 32 * kParts * kColumns || at.bytes > BlockSharedMemory(q.arch)) return false;
  Launch(q, "attention_i8_cuda", {GridOf(a, cut), Block::kThreads, static_cast<size_t>(at.bytes)},
         I8Kernel<kTiles, kParts, kColumns, kPages, kBlocks>, a, cut);
  Finish<false>(a, cut, then, q);
  return true;
}

// The same for I8SplitKernel, where each block has a split and a multiprocessor has a block:
// more hide each other's latency, and are better off with less of a multiprocessor each.
template <int kRuns>
bool LaunchI8Split(const AttentionArgs& a, int64_t most_pairs, const QuantizeArgs* then, DeviceQueue& q) {
  using Block = I8Split<kRuns>;
  const AttentionCut cut = CutOf(a, q, most_pairs, Block::kPairs);
  const int64_t splits = MostSplits(a), blocks = a.paged.tile_count * a.shape.kv_heads * cut.chunks * splits;
  const int64_t bytes = Block::SharedOf(a.shape).bytes;
  if (cut.groups != splits || blocks > q.processors) return false;
  if (a.shape.v_head_dim > Block::kMostColumns || bytes > BlockSharedMemory(q.arch)) return false;
  Launch(q, "attention_i8_cuda", {GridOf(a, cut), Block::kThreads, static_cast<size_t>(bytes)}, I8SplitKernel<kRuns>, a, cut);
  Finish<false>(a, cut, then, q);
  return true;
}

// Many pairs: 64 share a page, or 32 where shared memory is small. Few (decoding): a split a
// block where those are few; else blocks are small, with two pages on the way in each. The
// last takes all that is accepted.
void RunI8(const AttentionArgs& a, const QuantizeArgs* then, DeviceQueue& q) {
  if (a.paged.tile_count <= 0) return;
  const int64_t most = MostRows(a) * (a.shape.heads / a.shape.kv_heads);
  const auto many = [&] {
    return LaunchI8<4, 2, 1, 2, 2>(a, most, then, q) || LaunchI8<4, 2, 2, 2, 2>(a, most, then, q) || LaunchI8<4, 2, 4, 2, 1>(a, most, then, q) ||
           LaunchI8<2, 4, 1, 2, 2>(a, most, then, q) || LaunchI8<2, 4, 2, 2, 1>(a, most, then, q);
  };
  if (most > 16 && many()) return;
  if (most <= 16 && (LaunchI8Split<1>(a, most, then, q) || LaunchI8Split<2>(a, most, then, q))) return;
  if (!LaunchI8<1, 4, 1, 3, 4>(a, most, then, q) && !LaunchI8<1, 4, 2, 3, 2>(a, most, then, q)) LaunchI8<1, 4, 2, 2, 2>(a, most, then, q);
}

template <class T>
void RunFloat(const AttentionArgs& a, const QuantizeArgs* then, DeviceQueue& q) {
  if (a.paged.tile_count <= 0) return;
  const AttentionCut cut = CutOf(a, q, MostRows(a) * (a.shape.heads / a.shape.kv_heads), kFloatPairs);
  const size_t shared = FloatSharedBytes(a.shape.head_dim);
  if (a.shape.v_head_dim <= 128) Launch(q, "attention_float_cuda", {GridOf(a, cut), 128, shared}, FloatKernel<T, 128>, a, cut);
  else Launch(q, "attention_float_cuda", {GridOf(a, cut), 256, shared}, FloatKernel<T, 256>, a, cut);
  Finish<true>(a, cut, then, q);
}

bool Accepts(const AttentionArgs& a, KvType kv) {
  return a.shape.kv == kv && std::max(a.shape.head_dim, a.shape.v_head_dim) <= kI8MostDim;
}
bool AcceptsI8(const AttentionArgs& a) { return Accepts(a, KvType::kI8); }
bool AcceptsF16(const AttentionArgs& a) { return Accepts(a, KvType::kF16); }
bool AcceptsF32(const AttentionArgs& a) { return Accepts(a, KvType::kF32); }

template <auto kRun>
void Run(const AttentionArgs& a, DeviceQueue& q) {
  kRun(a, nullptr, q);
}

constexpr DeviceKernel<AttentionArgs> kTable[] = {
    {"attention_i8_cuda", 80, AcceptsI8, ScratchOf, Run<RunI8>},
    {"attention_f16_cuda", 80, AcceptsF16, ScratchOf, Run<RunFloat<uint16_t>>},
    {"attention_f32_cuda", 80, AcceptsF32, ScratchOf, Run<RunFloat<float>>},
};

// With the quantization of its output: groups within a head, and no padding behind the last.
template <KvType kKv>
bool AcceptsFused(const FusedAttentionArgs& a) {
  const QuantizeArgs& q = a.quantize;
  const int64_t dim = a.attention.shape.v_head_dim, cols = a.attention.shape.heads * dim;
  return Accepts(a.attention, kKv) && (q.ga == 32 || q.ga == 64 || q.ga == 128) && dim % q.ga == 0 && q.cols == cols && cols % 64 == 0;
}
size_t FusedScratchOf(const FusedAttentionArgs& a, const DeviceQueue& q) { return ScratchOf(a.attention, q); }
template <auto kRun>
void RunFused(const FusedAttentionArgs& a, DeviceQueue& q) {
  kRun(a.attention, &a.quantize, q);
}

constexpr DeviceKernel<FusedAttentionArgs> kFusedTable[] = {
    {"fused_attention_i8_cuda", 80, AcceptsFused<KvType::kI8>, FusedScratchOf, RunFused<RunI8>},
    {"fused_attention_f16_cuda", 80, AcceptsFused<KvType::kF16>, FusedScratchOf, RunFused<RunFloat<uint16_t>>},
    {"fused_attention_f32_cuda", 80, AcceptsFused<KvType::kF32>, FusedScratchOf, RunFused<RunFloat<float>>},
};

}  // namespace

Table<AttentionArgs> AttentionTable() { return kTable; }
Table<FusedAttentionArgs> FusedAttentionTable() { return kFusedTable; }

}  // namespace hasten::cuda
