#include "runtime/base/isa.h"

#include <cpuid.h>

namespace hasten {
namespace {

constexpr Isa kAll[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni};

bool HasAvxVnni() {  // CPUID leaf 7, subleaf 1, EAX bit 4; gcc 12 has no name for it
  // Asked once: in a virtual machine the instruction traps, for about 10 us.
  static const bool has = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1u);
  }();
  return has;
}

}  // namespace

std::string_view IsaName(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return "scalar";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvxVnni: return "avxvnni";
    case Isa::kAvx512Vnni: return "avx512vnni";
  }
  return "unknown";
}

bool IsaAvailable(Isa isa) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  switch (isa) {
    case Isa::kScalar: return true;
    case Isa::kAvx2: return avx2;
    case Isa::kAvxVnni: return avx2 && HasAvxVnni();
    case Isa::kAvx512Vnni:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vnni");
  }
  return false;
}

Isa BestIsa() {
  Isa best = Isa::kScalar;
  for (Isa isa : kAll)
    if (IsaAvailable(isa)) best = isa;
  return best;
}

Result<Isa> ParseIsa(std::string_view name) {
  std::string have;
  for (Isa isa : kAll) {
    if (!IsaAvailable(isa)) continue;
    if (IsaName(isa) == name) return isa;
    have += have.empty() ? "" : ", ";
    have += IsaName(isa);
  }
  return UsageError("instruction set \"", name, "\" is unknown or not on this machine; it has: ", have);
}

}  // namespace hasten
