// How the work of a linear is cut: runs and segments along K, which belong to
// the definition (ref.cc), and tiles over M and N, which do not. Shared by the
// rows of the table; nothing here is inline, because files compiled for one
// instruction set must not leave copies that the linker gives to all.
#pragma once

#include <cstdint>

#include "runtime/kernels/linear/contract.h"
#include "runtime/quant/layout.h"

namespace hasten {

inline constexpr int64_t kSegment = 512;      // elements of K summed in order
inline constexpr int64_t kPanelBlocks = 2;    // blocks of 16 rows of W that a kernel takes at once
inline constexpr int64_t kPanelCols = kPanelBlocks * kBlockRows;
inline constexpr int64_t kSmallM = 8;         // up to here every row of x is in flight at once
inline constexpr int64_t kChunkRows = 144;    // rows of x that share one expansion of a panel; 12 tiles of 12, even: the parts of a row stay together
inline constexpr int64_t kMaxK = int64_t{1} << 40;

struct LinearPlan {
  PackedLayout layout;
  int64_t rows = 0;            // M, residuals counted as rows; chunks are of these
  int64_t run = 0;             // elements of an exact integer dot
  int64_t segment = 0;         // elements of a segment: kSegment, or K where one run covers it
  int64_t segments = 0;
  int64_t depth = 0;           // segment sums alive at once while halving
  int64_t blocks = 0;          // ceil(N / 16)
  int64_t blocks_per_tile = 0; // M <= kSmallM: a tile is this many blocks
  int64_t chunk = 0, chunks = 0;  // M > kSmallM: a tile is one panel by one chunk of rows
  int64_t tiles = 0;
};

LinearPlan PlanLinear(const LinearArgs& args);

// Recursive halving, fed in order: after the sum of segment i of n, that many
// of the sums before it are complete; new = old + new, from the latest back.
int64_t MergesAfter(int64_t i, int64_t n);

}  // namespace hasten
