// Declares the rows of kernels.def and what they share. A tile is one row with
// all its groups.
#pragma once

#include "runtime/kernels/norm/contract.h"

namespace hasten {

#define HST_NORM(row) extern const Kernel<NormArgs> row;
#include "runtime/kernels/norm/kernels.def"

inline constexpr int64_t kSumSegment = 512;

int64_t NormTiles(const NormArgs& a);
size_t NormScratch(const NormArgs& a);

}  // namespace hasten
