// Declares the rows of kernels.def and what they share: how the work is tiled.
#pragma once

#include <algorithm>

#include "runtime/kernels/elementwise/contract.h"

namespace hasten {

#define HST_UNARY(row) extern const Kernel<UnaryArgs> row;
#define HST_BINARY(row) extern const Kernel<BinaryArgs> row;
#define HST_GATED(row) extern const Kernel<GatedArgs> row;
#include "runtime/kernels/elementwise/kernels.def"

// A tile is one block of columns of one row: large enough that handing it out
// costs nothing, small enough that one long row occupies several threads.
inline constexpr int64_t kElementwiseBlock = 4096;

int64_t UnaryTiles(const UnaryArgs& a);
int64_t BinaryTiles(const BinaryArgs& a);
int64_t GatedTiles(const GatedArgs& a);
size_t NoScratch(const UnaryArgs& a);
size_t NoScratch(const BinaryArgs& a);
size_t NoScratch(const GatedArgs& a);

}  // namespace hasten
