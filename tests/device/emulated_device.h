// The emulator as a device, for tests that open a model on it.
#pragma once

#include <memory>

#include "runtime/device/device.h"

namespace hasten::testing {

// A device that runs the CUDA kernels in the emulator.
std::shared_ptr<Device> OpenEmulatedDevice();
// From now on the next upload of any queue fails as a device's sticky error does, once.
void BreakNextUpload();

}  // namespace hasten::testing
