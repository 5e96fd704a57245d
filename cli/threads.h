// How many threads a command uses when it is not told.
#pragma once

#include <algorithm>

#include "calib/machine/proc.h"

namespace hasten::cli {

// The number asked for, or (0) the cores that this process may run on.
inline int ThreadsOf(int asked) { return asked > 0 ? asked : std::min(256, calib::UsableCores()); }

}  // namespace hasten::cli
