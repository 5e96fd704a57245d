#include "calib/recipe/efforts.h"

#include <string>

namespace hasten::calib {
namespace {

constexpr Effort kEfforts[] = {
#define HST_EFFORT(name, samples, probe_samples, probe_context, allocations, round_steps, distill_steps, equalize, reason) \
  {#name, samples, probe_samples, probe_context, allocations, round_steps, distill_steps, equalize, reason},
#include "calib/efforts.def"
#undef HST_EFFORT
};

}  // namespace

std::span<const Effort> AllEfforts() { return kEfforts; }

Result<const Effort*> FindEffort(std::string_view name) {
  std::string names;
  for (const Effort& effort : kEfforts) {
    if (effort.name == name) return &effort;
    names += StrCat(names.empty() ? "" : ", ", effort.name);
  }
  return UsageError("effort \"", name, "\": there are ", names);
}

}  // namespace hasten::calib
