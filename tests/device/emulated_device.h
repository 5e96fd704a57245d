// The emulator as a device, for tests that open a model on it.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/device/device.h"

namespace hasten::testing {

// A device that runs the CUDA kernels in the emulator. It counts what is allocated; of more
// than `memory_limit` bytes (0: 8 GiB) it has none.
std::shared_ptr<Device> OpenEmulatedDevice(uint64_t memory_limit = 0);
// From now on the next upload of any queue fails as a device's sticky error does, once.
void BreakNextUpload();

}  // namespace hasten::testing
