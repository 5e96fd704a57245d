// The emulator as the first CUDA device of this program: what is above the C interface runs
// on a device as it would on a GPU.
#include "tests/device/emulated_device.h"

namespace hasten {

Result<std::shared_ptr<Device>> OpenCudaDevice(int ordinal, uint64_t memory_limit) {
  if (ordinal != 0) return ResourceError("there is no CUDA device ", ordinal, "; devices 0 to 0 are there");
  return testing::OpenEmulatedDevice(memory_limit);
}

CudaReport ExamineCuda() { return {}; }

}  // namespace hasten
