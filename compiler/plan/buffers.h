// Arena offsets of a program's buffers.
#pragma once

#include "compiler/plan/plan.h"

namespace hasten::plan {

// Sets every buffer's offset from its lifetime and size; returns the arena's
// bytes per row. Buffers whose lifetimes touch never overlap.
uint64_t PlaceBuffers(std::vector<BufferPlan>& buffers);

}  // namespace hasten::plan
