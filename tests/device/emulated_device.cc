// The emulator as a Device: its memory is the host's, and a launch is done when it
// returns. It calls itself sm_90, with few multiprocessors.
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "runtime/device/cuda/kernels.h"
#include "tests/device/emulated_device.h"
#include "tests/device/test_device.h"

namespace hasten::testing {
namespace {

bool break_next_upload = false;

class Recorded final : public DeviceGraph {
 public:
  Recorded(std::function<void()> launch, const std::byte* scratch) : launch(std::move(launch)), scratch(scratch) {}
  const std::function<void()> launch;
  const std::byte* const scratch;   // a graph holds its address
};

class EmulatedQueue final : public Queue {
 public:
  explicit EmulatedQueue(std::shared_ptr<Device> device) : device_(std::move(device)) {
    launches_.arch = device_->Info().arch, launches_.processors = device_->Info().processors;
  }
  Status ReserveScratch(uint64_t bytes) override {
    if (bytes <= scratch_.size()) return {};
    HST_ASSIGN_OR_RETURN(scratch_, device_->Allocate(bytes, "scratch"));
    launches_.scratch = scratch_.data(), launches_.scratch_bytes = bytes;
    return {};
  }
  void Upload(std::byte* to, const std::byte* host, uint64_t bytes) override {
    if (std::exchange(break_next_upload, false)) launches_.error = 700, launches_.failed = "a copy";   // cudaErrorIllegalAddress
    Copy(to, host, bytes);
  }
  void Download(std::byte* host, const std::byte* from, uint64_t bytes) override { Copy(host, from, bytes); }
  void Copy(std::byte* to, const std::byte* from, uint64_t bytes) override {
    if (launches_.error == 0 && bytes > 0) std::memmove(to, from, bytes);
  }
  void CopyRows(std::byte* to, uint64_t to_stride, const std::byte* from, uint64_t from_stride, uint64_t bytes, uint64_t rows) override {
    for (uint64_t r = 0; r < rows; ++r) Copy(to + r * to_stride, from + r * from_stride, bytes);
  }
  Status Wait() override {
    if (launches_.error) return ResourceError("the device failed in ", launches_.failed ? launches_.failed : "a copy", ": error ", launches_.error);
    return {};
  }
  // The launches' arguments are all that a graph holds, so repeating the calls is the same.
  std::unique_ptr<DeviceGraph> Record(const std::function<void()>& launch) override { return std::make_unique<Recorded>(launch, launches_.scratch); }
  void Replay(const DeviceGraph& graph) override {
    const auto& recorded = static_cast<const Recorded&>(graph);
    if (recorded.scratch != launches_.scratch) std::abort();   // a GPU would use what has been freed
    recorded.launch();
  }

 private:
  std::shared_ptr<Device> device_;
  DeviceMemory scratch_;
};

class EmulatedDevice final : public Device {
 public:
  explicit EmulatedDevice(uint64_t limit) : limit_(limit) {}
  DeviceInfo Info() const override { return {"emulator", 90, 4, kBytes, kBytes - used_, 0, 0}; }
  DeviceRoom Room() const override { return {limit_, used_, kBytes - used_}; }
  const DeviceKernels& kernels() const override { return CudaKernels(); }
  Result<DeviceMemory> Allocate(uint64_t bytes, const char*) override { return Make(bytes, false); }
  Result<DeviceMemory> AllocateHost(uint64_t bytes, const char*) override { return Make(bytes, true); }
  Result<std::unique_ptr<Queue>> NewQueue(void*) override { return std::unique_ptr<Queue>(new EmulatedQueue(shared_from_this())); }

 private:
  static constexpr uint64_t kBytes = uint64_t{8} << 30;
  Result<DeviceMemory> Make(uint64_t bytes, bool host) {
    if (!host && bytes > Room().left()) return ResourceError("the device has no ", bytes, " bytes left");
    auto* p = static_cast<std::byte*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256 + 256));
    if (!p) return ResourceError("no memory for ", bytes, " bytes");
    std::memset(p, 0xff, bytes);   // what was never written is a NaN
    if (!host) used_ += bytes;
    return DeviceMemory(shared_from_this(), p, bytes, host);
  }
  void Free(std::byte* data, uint64_t bytes, bool host) override {
    std::free(data);
    if (!host) used_ -= bytes;
  }

  const uint64_t limit_;
  std::atomic<uint64_t> used_{0};
};

}  // namespace

void BreakNextUpload() { break_next_upload = true; }

std::shared_ptr<Device> OpenEmulatedDevice(uint64_t memory_limit) { return std::make_shared<EmulatedDevice>(memory_limit); }

Status HasTestDevice() { return {}; }
Device& TestDevice() {
  static const std::shared_ptr<Device> device = OpenEmulatedDevice();
  return *device;
}
Queue& TestQueue() {
  static const std::unique_ptr<Queue> queue = *TestDevice().NewQueue();
  return *queue;
}
void VaryDevice(uint64_t seed) { emulated::SetOrder(seed); }

}  // namespace hasten::testing
