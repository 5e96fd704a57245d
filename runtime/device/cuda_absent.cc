// What a build without CUDA says of it.
#include "runtime/device/device.h"

#if !defined(HASTEN_CUDA)

namespace hasten {

Result<std::shared_ptr<Device>> OpenCudaDevice(int, uint64_t) {
  return ResourceError("no CUDA device can be used: this build has no CUDA; make one with cmake --preset cuda");
}

CudaReport ExamineCuda() { return {false, "", "this build has no CUDA", nullptr, {}}; }

}  // namespace hasten

#endif
