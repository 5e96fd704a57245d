// What every kernel of the runtime is: a row of its op's table. A kernel splits
// its work into tiles that share nothing; any thread may run any range of tiles
// in any order, and the bits of the result do not depend on who ran what
// (docs/numerics.md). The table is kernels/<op>/kernels.def; tests and
// benchmarks iterate it, so a new row is compared with the scalar reference and
// timed without an edit to either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/base/isa.h"

namespace hasten {

template <class Args>
struct Kernel {
  const char* name;  // "<op>_<variant>_<isa>", as `hasten kernels` prints it
  Isa isa;
  // Whether this row handles these arguments (scheme, dtype); null: all.
  bool (*accepts)(const Args&);
  // How many independent tiles the work has; 0 when there is nothing to do.
  int64_t (*tiles)(const Args&);
  // Bytes of 64-byte aligned scratch that one thread needs; may be 0.
  size_t (*scratch)(const Args&);
  // Runs tiles [begin, end). Never allocates, never throws.
  void (*run)(const Args&, int64_t begin, int64_t end, std::byte* scratch);
};

// The best row for the arguments among those with isa <= `isa`; null if none.
// Rows of a table stand in any order.
template <class Args>
const Kernel<Args>* SelectKernel(std::span<const Kernel<Args>> table, const Args& args, Isa isa) {
  const Kernel<Args>* best = nullptr;
  for (const Kernel<Args>& k : table) {
    if (k.isa > isa || !IsaAvailable(k.isa) || (k.accepts && !k.accepts(args))) continue;
    if (!best || k.isa > best->isa) best = &k;
  }
  return best;
}

}  // namespace hasten
