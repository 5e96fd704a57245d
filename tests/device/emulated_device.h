#pragma once

#include <memory>

#include "runtime/device/device.h"

namespace hasten::testing {

// A device that runs the CUDA kernels in the emulator.
std::shared_ptr<Device> OpenEmulatedDevice();

}  // namespace hasten::testing
