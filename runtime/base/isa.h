// Instruction sets that kernels are written for, found once on the running
// CPU. Forcing one that the machine lacks is an error, never a silent fallback.
#pragma once

#include <string_view>

#include "runtime/base/status.h"

namespace hasten {

// In order of preference: a later one is taken before an earlier one.
enum class Isa : int { kScalar = 0, kAvx2 = 1, kAvxVnni = 2, kAvx512Vnni = 3 };

std::string_view IsaName(Isa isa);  // "scalar", "avx2", "avxvnni", "avx512vnni"
bool IsaAvailable(Isa isa);         // CPU and operating system both
Isa BestIsa();
// kUsage when the name is unknown or the machine lacks it; says what it has.
Result<Isa> ParseIsa(std::string_view name);

}  // namespace hasten
