// Arena offsets of a program's buffers.
#pragma once

#include "compiler/plan/plan.h"

namespace hasten::plan {

// Row-wise instructions that follow each other may be executed together, each row by
// itself (kernels/fused): a buffer that one of them reads last lives until the last of them.
void KeepThroughRuns(const std::vector<InstrPlan>& instrs, std::vector<BufferPlan>& buffers);

// Sets every buffer's offset from its lifetime and size; returns the arena's
// bytes per row. Buffers whose lifetimes touch never overlap.
uint64_t PlaceBuffers(std::vector<BufferPlan>& buffers);

}  // namespace hasten::plan
