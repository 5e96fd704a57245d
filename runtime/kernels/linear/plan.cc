#include "runtime/kernels/linear/plan.h"

namespace hasten {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The most segment sums that wait at once; the first part is the larger one.
int64_t StackDepth(int64_t n) {
  int64_t depth = 1;
  for (; n > 1; n = CeilDiv(n, 2)) ++depth;
  return depth;
}

}  // namespace

int64_t MergesAfter(int64_t i, int64_t n) {
  int64_t merges = 0;
  while (n > 1) {
    const int64_t first = n - n / 2;
    if (i < first) {
      n = first;
      merges = 0;
    } else {
      i -= first;
      n -= first;
      ++merges;
    }
  }
  return merges;
}

LinearPlan PlanLinear(const LinearArgs& a) {
  LinearPlan p;
  p.layout = LayoutOf(a.scheme, a.n, a.k);
  p.rows = a.rows * a.xq.parts;
  const bool integer = GetScheme(a.scheme).integer;
  p.run = integer ? (a.ga < a.k ? a.ga : a.k) : kSegment;
  p.segment = p.run > kSegment ? p.run : kSegment;
  p.segments = CeilDiv(a.k, p.segment);
  p.depth = StackDepth(p.segments);
  p.blocks = CeilDiv(a.n, kBlockRows);
  const int64_t block_bytes = integer ? p.layout.block_bytes : p.layout.block_bytes * kBlockRows;
  // 8 KiB of weights outweigh the cost of handing a tile out.
  p.blocks_per_tile = CeilDiv(CeilDiv(8192, block_bytes), kPanelBlocks) * kPanelBlocks;
  if (p.rows <= kSmallM) {
    p.chunk = p.rows;
    p.chunks = 1;
    p.tiles = p.rows > 0 ? CeilDiv(p.blocks, p.blocks_per_tile) : 0;
  } else {
    p.chunks = CeilDiv(p.rows, kChunkRows);
    p.chunk = CeilDiv(CeilDiv(p.rows, p.chunks), 12) * 12;
    p.chunks = CeilDiv(p.rows, p.chunk);
    p.tiles = CeilDiv(p.blocks, kPanelBlocks) * p.chunks;
  }
  return p;
}

}  // namespace hasten
