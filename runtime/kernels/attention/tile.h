// Which part of the attention a tile is: some query rows of one sequence, with
// all query heads that share one KV head. Tiling decides who computes what and
// never how: a row's result depends on its own sequence and position alone.
#pragma once

#include <cstdint>

#include "runtime/kernels/attention/contract.h"

namespace hasten {
namespace {  // private to each file: instruction sets must not share code

inline constexpr int64_t kSplitKeys = 256;  // docs/numerics.md
inline constexpr int64_t kBlockKeys = 64;

// Query rows of a tile: about 32 (row, head) pairs share each key they read.
inline int64_t RowsPerTile(const AttentionShape& s) {
  const int64_t group = s.heads / s.kv_heads;
  return group >= 32 ? 1 : 32 / group;
}

struct AttentionTile {
  const SequenceView* sequence;
  int64_t first = 0, rows = 0;  // query rows within the sequence's step
  int64_t kv_head = 0;
};

// Walks the tiles from `begin` on, in the order sequence, rows from the last
// block (which has most keys) to the first, KV head.
class TileCursor {
 public:
  TileCursor(const AttentionArgs& a, int64_t begin) : a_(a), step_(RowsPerTile(a.shape)), tile_(begin) {
    while (tile_ >= TilesOf(a_.sequences[index_])) tile_ -= TilesOf(a_.sequences[index_++]);
  }
  AttentionTile Next() {
    while (tile_ >= TilesOf(a_.sequences[index_])) tile_ = 0, ++index_;
    const SequenceView& s = a_.sequences[index_];
    const int64_t blocks = (s.rows + step_ - 1) / step_;
    const int64_t block = blocks - 1 - tile_ / a_.shape.kv_heads;
    AttentionTile t{&s, block * step_, 0, tile_ % a_.shape.kv_heads};
    t.rows = s.rows - t.first < step_ ? s.rows - t.first : step_;
    ++tile_;
    return t;
  }

 private:
  int64_t TilesOf(const SequenceView& s) const { return (s.rows + step_ - 1) / step_ * a_.shape.kv_heads; }

  const AttentionArgs& a_;
  int64_t step_, tile_;
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

// The keys that the query at `position` sees: [begin, end).
struct KeyRange {
  int64_t begin, end;
};
inline KeyRange VisibleKeys(const AttentionShape& s, const SequenceView& q, int64_t position) {
  const int64_t begin = s.window > 0 && position >= s.window ? position - s.window + 1 : 0;
  const int64_t all = q.past + q.rows;
  if (s.causal) return {begin, position + 1};
  return {begin, s.ahead > 0 && s.ahead < all - position ? position + s.ahead : all};
}

}  // namespace
}  // namespace hasten
