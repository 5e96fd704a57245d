// The first CUDA device for the device tests.
#include "tests/device/test_device.h"

namespace hasten::testing {
namespace {

const Result<std::shared_ptr<Device>>& Opened() {
  static const Result<std::shared_ptr<Device>> device = OpenCudaDevice();
  return device;
}

}  // namespace

Status HasTestDevice() { return Opened().status(); }
Device& TestDevice() { return **Opened(); }

Queue& TestQueue() {
  // Never destroyed: at exit the driver may be gone before it.
  static Queue* const queue = TestDevice().NewQueue()->release();
  return *queue;
}

void VaryDevice(uint64_t) {}

}  // namespace hasten::testing
