// The run functions that kernels.def names, one a file. A tile is a row.
#pragma once

#include "runtime/kernels/quantize/contract.h"

namespace hasten {

#define HST_KERNEL(name, isa, run) void run(const QuantizeArgs&, int64_t begin, int64_t end, std::byte* scratch);
#include "runtime/kernels/quantize/kernels.def"
#undef HST_KERNEL

}  // namespace hasten
