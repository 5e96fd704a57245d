// The rows of calib/efforts.def.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/base/status.h"

namespace hasten::calib {

struct Effort {
  std::string_view name;
  int64_t samples, probe_samples, probe_context, allocations, round_steps, distill_steps;
  std::string_view equalize;   // as --equalize takes it
  std::string_view reason;
};

std::span<const Effort> AllEfforts();
Result<const Effort*> FindEffort(std::string_view name);   // kUsage, lists the names

}  // namespace hasten::calib
