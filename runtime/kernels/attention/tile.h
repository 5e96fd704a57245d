// Which part of the attention a tile is: some query rows of one sequence, with all
// query heads that share one KV head; where rows are few, those of all KV heads.
// Tiling decides who computes what and never how: a row's result depends on its own
// sequence and position alone.
#pragma once

#include <cstdint>

#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/simd_scalar.h"

namespace hasten {
namespace {  // private to each file: instruction sets must not share code

inline constexpr int64_t kSplitKeys = 256;  // docs/numerics.md
inline constexpr int64_t kBlockKeys = 64;

// (Query row, head) pairs of a tile, about: so many share each key they read.
inline constexpr int64_t kTileRows = 32;

// Query rows of a tile that has one KV head.
inline int64_t RowsPerTile(const AttentionShape& s) {
  const int64_t group = s.heads / s.kv_heads;
  return group >= kTileRows ? 1 : kTileRows / group;
}

// Whether a sequence's rows are one tile with all KV heads, which reads pages from begin
// to end; with few keys, heads are shared out instead.
inline bool IsOneTile(const AttentionShape& s, const SequenceView& q) {
  return s.heads * q.rows <= kTileRows && q.past + q.rows > kSplitKeys;
}

// The most pairs that a tile has.
inline int64_t MostTileRows(const AttentionShape& s) {
  const int64_t one = RowsPerTile(s) * (s.heads / s.kv_heads);
  return one > kTileRows ? one : kTileRows;
}

// The keys that the query at `position` sees, of a sequence of so many: [begin, end).
struct KeyRange {
  int64_t begin, end;
};
HST_HOST_DEVICE inline KeyRange VisibleKeys(const AttentionShape& s, int64_t keys, int64_t position) {
  const int64_t begin = s.window > 0 && position >= s.window ? position - s.window + 1 : 0;
  if (s.causal) return {begin, position + 1};
  return {begin, s.ahead > 0 && s.ahead < keys - position ? position + s.ahead : keys};
}
inline KeyRange VisibleKeys(const AttentionShape& s, const SequenceView& q, int64_t position) {
  return VisibleKeys(s, q.past + q.rows, position);
}

struct AttentionTile {
  const SequenceView* sequence;
  int64_t first = 0, rows = 0;  // query rows within the sequence's step
  int64_t kv_head = 0, kv_heads = 1;
  // Of a tile that is one split of its rows' keys:
  int64_t split = 0;                 // its first key
  int64_t index = 0;                 // of the tile that it is a part of, among all sequences'
  int64_t part = 0, parts = 1;       // which of its splits
  int64_t slot = 0;                  // of the first of the parts, among all
};

inline int64_t TilesOf(const AttentionShape& s, const SequenceView& q) {
  const int64_t step = RowsPerTile(s);
  return IsOneTile(s, q) ? (q.rows > 0) : (q.rows + step - 1) / step * s.kv_heads;
}

// The tile-th of a sequence's: rows from the last block (which has most keys) to the
// first, KV head.
inline AttentionTile TileOf(const AttentionShape& s, const SequenceView& q, int64_t tile) {
  if (IsOneTile(s, q)) return {&q, 0, q.rows, 0, s.kv_heads};
  const int64_t step = RowsPerTile(s), blocks = (q.rows + step - 1) / step;
  AttentionTile t{&q, (blocks - 1 - tile / s.kv_heads) * step, 0, tile % s.kv_heads, 1};
  t.rows = q.rows - t.first < step ? q.rows - t.first : step;
  return t;
}

// The splits that a sequence's rows see any key of: [begin, end).
struct SplitRange {
  int64_t begin, end;
  int64_t count() const { return end - begin; }
};
inline SplitRange SplitsOf(const AttentionShape& s, const SequenceView& q) {
  if (q.rows <= 0) return {0, 0};
  const int64_t last = VisibleKeys(s, q, q.past + q.rows - 1).end;
  return {VisibleKeys(s, q, q.past).begin / kSplitKeys, (last + kSplitKeys - 1) / kSplitKeys};
}

// Walks the tiles of all sequences, in order, from `begin` on. kSplit: every split of a
// tile's keys is a tile.
template <bool kSplit = false>
class TileCursor {
 public:
  TileCursor(const AttentionArgs& a, int64_t begin) : a_(a), tile_(begin) { Settle(); }
  AttentionTile Next() {
    Settle();
    const SequenceView& q = a_.sequences[index_];
    if (!kSplit) return TileOf(a_.shape, q, tile_++);
    const SplitRange splits = SplitsOf(a_.shape, q);
    const int64_t i = tile_ / splits.count();
    AttentionTile t = TileOf(a_.shape, q, i);
    t.part = tile_ % splits.count(), t.parts = splits.count();
    t.split = (splits.begin + t.part) * kSplitKeys;
    t.index = tiles_before_ + i, t.slot = before_ + i * t.parts;
    ++tile_;
    return t;
  }

 private:
  void Settle() {
    for (;; ++index_) {
      const SequenceView& q = a_.sequences[index_];
      const int64_t tiles = TilesOf(a_.shape, q), all = kSplit ? tiles * SplitsOf(a_.shape, q).count() : tiles;
      if (tile_ < all) return;
      tile_ -= all, before_ += all, tiles_before_ += tiles;
    }
  }

  const AttentionArgs& a_;
  int64_t tile_;
  int64_t before_ = 0, tiles_before_ = 0;  // of the sequences before this one
  size_t index_ = 0;
};

// Walks the new tokens of a step, one a tile, in row order.
struct AppendRow {
  const SequenceView* sequence;
  int64_t row;  // within the sequence's step
};
class AppendCursor {
 public:
  AppendCursor(const KvAppendArgs& a, int64_t begin) : a_(a), row_(begin) {
    while (row_ >= a_.sequences[index_].rows) row_ -= a_.sequences[index_++].rows;
  }
  AppendRow Next() {
    while (row_ >= a_.sequences[index_].rows) row_ = 0, ++index_;
    return {&a_.sequences[index_], row_++};
  }

 private:
  const KvAppendArgs& a_;
  int64_t row_;
  size_t index_ = 0;
};

}  // namespace
}  // namespace hasten
