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

class NeedsDevice final : public ::testing::Environment {
 public:
  void SetUp() override {
    if (!Opened().ok()) GTEST_SKIP() << Opened().status().message();
  }
};
[[maybe_unused]] const auto* const kNeedsDevice = ::testing::AddGlobalTestEnvironment(new NeedsDevice);

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
