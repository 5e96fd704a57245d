// The device that device tests run on: the emulator, or in the check of a GPU machine a
// real one (which main decides). Arrays with poison around them, and each kernel of a
// table against the scalar reference.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/device/device.h"

namespace hasten::testing {

// Whether there is one; without it none of the others may be called. The emulator's
// (emulated_device.cc) always is, a GPU (gpu/cuda_test_device.cc) may be missing.
Status HasTestDevice();
Device& TestDevice();
// Its queue, with scratch reserved by RunOnDevice.
Queue& TestQueue();
// What is to be varied between runs of the same kernel, such as the order of threads.
void VaryDevice(uint64_t seed);

// count Ts on the device, with 256 bytes on each side that must stay as they are.
template <class T>
class OnDevice {
 public:
  explicit OnDevice(size_t count) : count_(count), bytes_((count * sizeof(T) + 255) / 256 * 256) {
    auto memory = TestDevice().Allocate(bytes_ + 2 * kGuard, "a test's array");
    auto host = TestDevice().AllocateHost(bytes_ + 2 * kGuard, "a test's array");
    if (!memory.ok() || !host.ok()) std::abort();
    memory_ = *std::move(memory), host_ = *std::move(host);
    std::memset(host_.data(), 0xff, host_.size());   // NaN as a float
    TestQueue().Upload(memory_.data(), host_.data(), host_.size());
    EXPECT_TRUE(TestQueue().Wait().ok());
  }
  explicit OnDevice(const std::vector<T>& values) : OnDevice(values.size()) { Set(values); }

  T* get() const { return reinterpret_cast<T*>(memory_.data() + kGuard); }
  void Set(const std::vector<T>& values) {
    if (values.empty()) return;
    std::memcpy(host_.data(), values.data(), values.size() * sizeof(T));
    TestQueue().Upload(memory_.data() + kGuard, host_.data(), values.size() * sizeof(T));
    EXPECT_TRUE(TestQueue().Wait().ok());
  }
  std::vector<T> Get() const {
    TestQueue().Download(host_.data(), memory_.data(), host_.size());
    const Status s = TestQueue().Wait();
    EXPECT_TRUE(s.ok()) << s.message();
    for (size_t i = 0; i < kGuard; ++i)
      if (host_.data()[i] != std::byte{0xff} || host_.data()[kGuard + bytes_ + i] != std::byte{0xff}) {
        ADD_FAILURE() << "a kernel wrote outside its array, " << (host_.data()[i] != std::byte{0xff} ? "before" : "behind") << " it";
        break;
      }
    std::vector<T> values(count_);
    std::memcpy(values.data(), host_.data() + kGuard, count_ * sizeof(T));
    return values;
  }

 private:
  static constexpr size_t kGuard = 256;
  size_t count_, bytes_;
  DeviceMemory memory_, host_;
};

// Runs one kernel with its scratch; the caller reads the results.
template <class Args>
void RunOnDevice(const DeviceKernel<Args>& kernel, const Args& args) {
  DeviceQueue& q = TestQueue().launches();
  ASSERT_TRUE(TestQueue().ReserveScratch(kernel.scratch ? kernel.scratch(args, q) : 0).ok());
  kernel.launch(args, q);
  const Status s = TestQueue().Wait();
  EXPECT_TRUE(s.ok()) << kernel.name << ": " << s.message();
}

// f(kernel, seed) for every row of the device's table that takes these arguments, several
// times with another order of threads where the device can have one.
template <class Args, class F>
void ForEachDeviceRow(const Args& args, F f) {
  bool any = false;
  for (const DeviceKernel<Args>& k : TestDevice().kernels().table<Args>())
    if (k.arch <= TestDevice().Info().arch && (!k.accepts || k.accepts(args)))
      for (uint64_t seed : {0, 1, 7}) {
        any = true;
        VaryDevice(seed);
        f(k);
      }
  EXPECT_TRUE(any) << "no kernel takes these arguments";
}

}  // namespace hasten::testing
