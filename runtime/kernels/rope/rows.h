// Declares the rows of kernels.def and what they share. A tile is one row of x
// with all its heads: the row's cosines and sines are split once into scratch.
#pragma once

#include "runtime/kernels/rope/contract.h"

namespace hasten {

#define HST_ROPE(row) extern const Kernel<RopeArgs> row;
#include "runtime/kernels/rope/kernels.def"

int64_t RopeTiles(const RopeArgs& a);
size_t RopeScratch(const RopeArgs& a);  // cosines, then sines, each rotary_dim floats

}  // namespace hasten
