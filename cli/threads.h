// How many threads a command uses when it is not told.
#pragma once

#include <sched.h>

namespace hasten::cli {

// The number asked for, or (0) the cores that this process may run on.
inline int ThreadsOf(int asked) {
  if (asked > 0) return asked;
  cpu_set_t set;
  CPU_ZERO(&set);
  const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return cores < 1 ? 1 : cores > 256 ? 256 : cores;
}

}  // namespace hasten::cli
