// Runs the device tests on a GPU. Where there is none every test is skipped, with the reason;
// none passes.
#include <cstdio>

#include "tests/device/test_device.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const hasten::Status device = hasten::testing::HasTestDevice();
  if (device.ok() || GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  std::printf("[  SKIPPED ] all tests: %s\n", device.message().c_str());
  return 0;
}
