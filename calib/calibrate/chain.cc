#include "calib/calibrate/chain.h"

#include <algorithm>

namespace hasten::calib {
namespace {

constexpr std::string_view kNames[] = {
#define HST_CHAIN_STEP(name, leave_out, what) #name,
#include "calib/calibrate/chain.def"
};

}  // namespace

std::span<const std::string_view> ChainSteps() { return kNames; }

void KeepSteps(std::span<const std::string> steps, CalibrateOptions& o) {
#define HST_CHAIN_STEP(name, leave_out, what) \
  if (std::find(steps.begin(), steps.end(), #name) == steps.end()) leave_out;
#include "calib/calibrate/chain.def"
}

}  // namespace hasten::calib
