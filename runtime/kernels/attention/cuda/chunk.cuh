// What attention's device kernels share: which (query row, head) pairs and which keys a
// block of threads has, and how the splits of a few pairs are shared out to many blocks.
#pragma once

#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/tile.h"
#include "runtime/kernels/cuda/simt.h"

namespace hasten::cuda {

// How a step is cut into blocks; the launcher makes it of sizes that the host knows. The
// grid is (tile, KV head and chunk of its pairs, group of its splits). A pair is a query
// row with one of the heads that share a KV head, so that the block reads keys once.
struct AttentionCut {
  int pairs = 0;            // of a chunk, at most
  int chunks = 1;           // of a tile, at most
  int groups = 1;           // blocks to which the splits of a chunk are shared out
  int splits = 0;           // of a chunk, at most
  int record = 0;           // floats of a pair's sums of one split
  float* sums = nullptr;    // shared out: [tile][KV head, chunk][split][pair][record]; else null
};

// A record: the values, 16 floats for lanes or the denominator, 16 for the reference.
HST_HOST_DEVICE constexpr int RecordFloats(int64_t v_cols) { return static_cast<int>(v_cols) + 32; }

struct Chunk {
  PagedSequence sequence;
  int kv_head = 0, group = 1;   // `group` heads share it
  int tile_first = 0;           // the tile's first row, within the sequence's step
  int first = 0, pairs = 0;     // [first, first + pairs) of the tile's pairs, heads fastest
  int begin = 0, end = 0;       // the keys that any pair sees

  HST_DEVICE int StepRow(int pair) const { return tile_first + (first + pair) / group; }
  HST_DEVICE int Row(int pair) const { return sequence.row + StepRow(pair); }
  HST_DEVICE int Head(int pair) const { return kv_head * group + (first + pair) % group; }
  HST_DEVICE int Position(int pair) const { return sequence.past + StepRow(pair); }
  HST_DEVICE KeyRange Visible(const AttentionShape& s, int pair) const {
    return VisibleKeys(s, int64_t{sequence.past} + sequence.rows, Position(pair));
  }
  HST_DEVICE int FirstSplit() const { return begin / static_cast<int>(kSplitKeys); }
  HST_DEVICE int Splits() const { return (end + static_cast<int>(kSplitKeys) - 1) / static_cast<int>(kSplitKeys) - FirstSplit(); }
};

// The chunk of blockIdx.x and .y; its pairs are 0 where there is none.
HST_DEVICE Chunk ChunkOfBlock(const AttentionArgs& a, const AttentionCut& cut) {
  Chunk c;
  const PagedTile tile = a.paged.tiles[blockIdx.x];
  const int chunk = static_cast<int>(blockIdx.y) / static_cast<int>(a.shape.kv_heads);
  c.kv_head = static_cast<int>(blockIdx.y) % static_cast<int>(a.shape.kv_heads);
  c.group = static_cast<int>(a.shape.heads / a.shape.kv_heads);
  c.tile_first = tile.first;
  c.first = (cut.chunks - 1 - chunk) * cut.pairs;   // those with the most keys first
  const int rest = tile.rows * c.group - c.first;
  if (rest <= 0) return c;
  c.pairs = rest < cut.pairs ? rest : cut.pairs;
  c.sequence = a.paged.sequences[tile.sequence];
  c.begin = static_cast<int>(c.Visible(a.shape, 0).begin);   // both ends ascend
  c.end = static_cast<int>(c.Visible(a.shape, c.pairs - 1).end);
  return c;
}

// The keys of the chunk that this block takes; all of them unless they are shared out.
struct BlockKeys {
  int begin, end;
  HST_DEVICE bool empty() const { return begin >= end; }
};
HST_DEVICE BlockKeys KeysOfBlock(const Chunk& c, const AttentionCut& cut) {
  if (c.pairs == 0) return {0, 0};
  const int splits = c.Splits(), each = (splits + cut.groups - 1) / cut.groups;
  const int from = (c.FirstSplit() + static_cast<int>(blockIdx.z) * each) * static_cast<int>(kSplitKeys);
  const int to = from + each * static_cast<int>(kSplitKeys);
  return {from > c.begin ? from : c.begin, to < c.end ? to : c.end};
}

// Where a pair's sums of a split go, of a chunk whose splits are shared out.
HST_DEVICE float* RecordOf(const Chunk& c, const AttentionCut& cut, int split, int pair) {
  const int64_t chunk = int64_t{blockIdx.x} * gridDim.y + blockIdx.y;
  return cut.sums + ((chunk * cut.splits + (split - c.FirstSplit())) * cut.pairs + pair) * cut.record;
}

HST_DEVICE const std::byte* PageOf(const AttentionArgs& a, const Chunk& c, int key) {
  const int block = a.paged.blocks[c.sequence.first_block + key / static_cast<int>(kKvPageTokens)];
  return a.cache.base + block * a.cache.block_bytes;
}

}  // namespace hasten::cuda
