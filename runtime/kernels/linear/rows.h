// The run functions that kernels.def names, one a file and kind of scheme.
#pragma once

#include "runtime/kernels/linear/contract.h"

namespace hasten {

#define HST_KERNEL(name, isa, accepts, scratch, run) void run(const LinearArgs&, int64_t begin, int64_t end, std::byte*);
#include "runtime/kernels/linear/kernels.def"
#undef HST_KERNEL

}  // namespace hasten
