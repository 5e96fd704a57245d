// The rows of calib/calibrate/chain.def.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "calib/calibrate/calibrate.h"

namespace hasten::calib {

std::span<const std::string_view> ChainSteps();
// Leaves out all but `steps`.
void KeepSteps(std::span<const std::string> steps, CalibrateOptions& options);

}  // namespace hasten::calib
