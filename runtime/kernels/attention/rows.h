// Declares the rows of kernels.def and how the work is cut into tiles.
#pragma once

#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/attention/tile.h"

namespace hasten {

#define HST_KV_APPEND(row) extern const Kernel<KvAppendArgs> row;
#define HST_ATTENTION(row) extern const Kernel<AttentionArgs> row;
#include "runtime/kernels/attention/kernels.def"

int64_t KvAppendTiles(const KvAppendArgs& a);
size_t KvAppendScratch(const KvAppendArgs& a);
int64_t AttentionTiles(const AttentionArgs& a);
int64_t AttentionParts(const AttentionArgs& a);  // the same, or splits where they are shared out

}  // namespace hasten
