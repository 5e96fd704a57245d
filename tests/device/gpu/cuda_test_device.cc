// The first CUDA device for the device tests. Where there is none every test is skipped,
// with the reason; none passes.
#include <cstdio>
#include <cstdlib>

#include "tests/device/test_device.h"

namespace hasten::testing {
namespace {

const Result<std::shared_ptr<Device>>& Opened() {
  static const Result<std::shared_ptr<Device>> device = OpenCudaDevice();
  return device;
}

}  // namespace

Device& TestDevice() { return **Opened(); }

Queue& TestQueue() {
  // Never destroyed: at exit the driver may be gone before it.
  static Queue* const queue = TestDevice().NewQueue()->release();
  return *queue;
}

void VaryDevice(uint64_t) {}

}  // namespace hasten::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const auto& device = hasten::testing::Opened();
  if (device.ok() || GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  std::printf("[  SKIPPED ] all tests: %s\n", device.status().message().c_str());
  return 0;
}
