// The attention and kv_append tables, gathered from kernels.def, the page's size
// and the reading of one token.
#include "runtime/base/half.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/rows.h"

namespace hasten {

size_t KvPageBytes(const AttentionShape& shape) {
  return static_cast<size_t>(LayoutOf(shape).page_bytes);
}

int64_t KvAppendTiles(const KvAppendArgs& a) {
  int64_t rows = 0;
  for (const SequenceView& s : a.sequences) rows += s.rows;
  return rows;
}
size_t KvAppendScratch(const KvAppendArgs&) { return 0; }

int64_t AttentionTiles(const AttentionArgs& a) {
  int64_t tiles = 0;
  for (const SequenceView& s : a.sequences) tiles += TilesOf(a.shape, s);
  return tiles;
}

int64_t AttentionParts(const AttentionArgs& a) {
  if (!a.shared) return AttentionTiles(a);
  int64_t parts = 0;
  for (const SequenceView& s : a.sequences) parts += TilesOf(a.shape, s) * SplitsOf(a.shape, s).count();
  return parts;
}

size_t ShareSplits(AttentionArgs& a, int threads) {
  constexpr int64_t kTilesPerThread = 4;
  const int64_t tiles = AttentionTiles(a);
  if (a.shape.kv != KvType::kI8 || threads < 2 || tiles >= kTilesPerThread * threads) return 0;
  int64_t parts = 0;
  for (const SequenceView& s : a.sequences) parts += TilesOf(a.shape, s) * SplitsOf(a.shape, s).count();
  if (parts <= tiles) return 0;
  // A slot's sums (cpu_i8_rows.inc): reference, 16 lanes and the values of each row.
  const int64_t rows = MostTileRows(a.shape), floats = RoundUp(rows, 16) + rows * (16 + RoundUp(a.shape.v_head_dim, 16));
  a.shared_counters = RoundUp(tiles * static_cast<int64_t>(sizeof(int32_t)), 64);
  a.shared_slot = RoundUp(floats * static_cast<int64_t>(sizeof(float)), 64);
  return static_cast<size_t>(a.shared_counters + parts * a.shared_slot);
}

std::span<const Kernel<KvAppendArgs>> KvAppendKernels() {
  static const Kernel<KvAppendArgs> table[] = {
#define HST_KV_APPEND(row) row,
#define HST_ATTENTION(row)
#include "runtime/kernels/attention/kernels.def"
  };
  return table;
}

std::span<const Kernel<AttentionArgs>> AttentionKernels() {
  static const Kernel<AttentionArgs> table[] = {
#define HST_KV_APPEND(row)
#define HST_ATTENTION(row) row,
#include "runtime/kernels/attention/kernels.def"
  };
  return table;
}

void KvReadToken(const AttentionShape& s, const std::byte* page, int64_t slot, float* k, float* v) {
  const KvLayout l = LayoutOf(s);
  for (int64_t h = 0; h < s.kv_heads; ++h, k += s.head_dim, v += s.v_head_dim) {
    const PageHead<const std::byte> p = HeadOf(l, page, h);
    switch (s.kv) {
      case KvType::kI8: {
        const float* scale = reinterpret_cast<const float*>(p.scales) + slot;
        for (int64_t d = 0; d < s.head_dim; ++d)
          k[d] = static_cast<float>(static_cast<int>(p.k[KeyIndexI8(d, slot)]) - 128) * scale[0];
        for (int64_t d = 0; d < s.v_head_dim; ++d)
          v[d] = static_cast<float>(static_cast<int8_t>(p.v[ValueIndexI8(l, d, slot)])) * scale[kKvPageTokens];
        break;
      }
      case KvType::kF16: {
        const auto* kh = reinterpret_cast<const uint16_t*>(p.k);
        const auto* vh = reinterpret_cast<const uint16_t*>(p.v);
        for (int64_t d = 0; d < s.head_dim; ++d) k[d] = HalfToFloat(kh[KeyIndex(d, slot)]);
        for (int64_t d = 0; d < s.v_head_dim; ++d) v[d] = HalfToFloat(vh[ValueIndex(l, d, slot)]);
        break;
      }
      case KvType::kF32: {
        const auto* kf = reinterpret_cast<const float*>(p.k);
        const auto* vf = reinterpret_cast<const float*>(p.v);
        for (int64_t d = 0; d < s.head_dim; ++d) k[d] = kf[KeyIndex(d, slot)];
        for (int64_t d = 0; d < s.v_head_dim; ++d) v[d] = vf[ValueIndex(l, d, slot)];
        break;
      }
    }
  }
}

}  // namespace hasten
