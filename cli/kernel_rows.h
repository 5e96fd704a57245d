// The kernels that are linked in, as a table: an op and a variant (scheme, cache
// type) a row, an instruction set a column. Read from the kernel tables
// themselves, so a new row of a kernels.def shows up without an edit here.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "runtime/base/isa.h"

namespace hasten::cli {

inline constexpr std::array<Isa, 4> kIsas = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni};
// Backends that hasten does not have yet; shown, so that the gap is plain.
inline constexpr std::array<const char*, 2> kNotBuilt = {"amx", "arm"};

struct KernelRow {
  std::string op, variant;                         // "linear", "int4:64"
  std::array<std::string, kIsas.size()> kernels;   // "" where the op falls back to a lower set
  std::string cuda;                                // on the newest architecture; "" where there is none, or it is not built
  std::string cuda_trial;                          // on CUDA too, but not chosen yet; "" where there is none
  std::string chosen;                              // on this machine's CPU
};

std::vector<KernelRow> AllKernelRows();

}  // namespace hasten::cli
