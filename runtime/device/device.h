// A device: memory of its own, queues of work, and the kernels that run there. What the
// engine knows of CUDA is this interface; device_cuda.cc implements it with the CUDA
// runtime, and tests/device by an emulator, so that the engine's way through a device is
// tested where there is no GPU.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device/kernels.h"

namespace hasten {

class Device;

// Memory of a device, or of the host where the device copies from and to it directly.
// 256-byte aligned; its content is not specified at first.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(std::shared_ptr<Device> device, std::byte* data, uint64_t bytes, bool host)
      : device_(std::move(device)), data_(data), size_(bytes), host_(host) {}
  ~DeviceMemory();
  DeviceMemory(DeviceMemory&& o) noexcept;
  DeviceMemory& operator=(DeviceMemory&& o) noexcept;

  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  std::shared_ptr<Device> device_;
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
  bool host_ = false;
};

// Launches that were recorded once and are made again together.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;
};

// Work in order. One thread at a time. After a failure nothing more is done, and Wait
// says what failed, for good.
class Queue {
 public:
  virtual ~Queue() = default;
  // For launchers.
  DeviceQueue& launches() { return launches_; }
  int arch() const { return launches_.arch; }
  // Scratch of at least so many bytes for the kernels. kResource; waits.
  virtual Status ReserveScratch(uint64_t bytes) = 0;
  // The same in memory of the caller's, which outlives the queue.
  void UseScratch(std::byte* memory, uint64_t bytes) { launches_.scratch = memory, launches_.scratch_bytes = bytes; }

  // In order with the launches. `host` memory is a device's own (AllocateHost) and stays
  // as it is until the copy is done.
  virtual void Upload(std::byte* to, const std::byte* host, uint64_t bytes) = 0;
  virtual void Download(std::byte* host, const std::byte* from, uint64_t bytes) = 0;
  virtual void Copy(std::byte* to, const std::byte* from, uint64_t bytes) = 0;
  // `rows` pieces of `bytes`, so many bytes apart.
  virtual void CopyRows(std::byte* to, uint64_t to_stride, const std::byte* from, uint64_t from_stride, uint64_t bytes, uint64_t rows) = 0;
  // Until all of it is done; the first failure of the queue's life. kResource.
  virtual Status Wait() = 0;

  // Records what `launch` puts into the queue; null where that failed, and then the
  // queue goes on as if nothing had been asked.
  virtual std::unique_ptr<DeviceGraph> Record(const std::function<void()>& launch) = 0;
  virtual void Replay(const DeviceGraph& graph) = 0;

 protected:
  DeviceQueue launches_;
};

struct DeviceInfo {
  std::string name;               // "NVIDIA H200"
  int arch = 0;                   // 90: compute capability 9.0
  int processors = 0;
  uint64_t memory_bytes = 0, free_bytes = 0;
  int driver = 0, toolkit = 0;    // 13000: 13.0
};

// What a device's memory has room for.
struct DeviceRoom {
  uint64_t limit = 0;             // bytes that may be allocated; 0: there is no limit
  uint64_t used = 0;              // bytes that are allocated
  uint64_t free = 0;              // bytes that the device has free, whoever uses the others

  uint64_t left() const { return limit ? std::min(limit - std::min(limit, used), free) : free; }
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  virtual ~Device() = default;
  virtual DeviceInfo Info() const = 0;
  virtual const DeviceKernels& kernels() const = 0;
  virtual DeviceRoom Room() const = 0;
  // kResource, with what was asked for and what is there.
  virtual Result<DeviceMemory> Allocate(uint64_t bytes, const char* what) = 0;
  virtual Result<DeviceMemory> AllocateHost(uint64_t bytes, const char* what) = 0;
  // `stream`: a cudaStream_t of the caller's that outlives the queue; null: one of its own.
  virtual Result<std::unique_ptr<Queue>> NewQueue(void* stream = nullptr) = 0;

 private:
  friend class DeviceMemory;
  virtual void Free(std::byte* data, uint64_t bytes, bool host) = 0;
};

// The first CUDA device, or number `ordinal`. kUnsupported where the build has no CUDA;
// kResource otherwise: no driver, a driver too old, no device, an architecture that was
// not built, no memory; each says so.
// `memory_limit`: bytes that it may allocate; 0: what the device has.
Result<std::shared_ptr<Device>> OpenCudaDevice(int ordinal = 0, uint64_t memory_limit = 0);

// What OpenCudaDevice would find, for `hasten doctor`: whether it was built in, for which
// architectures, and each device, or why there is none.
struct CudaReport {
  bool built = false;
  std::string architectures;      // "sm_80 sm_90a compute_120"
  std::string problem;            // empty: devices can be used
  const DeviceKernels* kernels = nullptr;   // null: not built
  std::vector<DeviceInfo> devices;
};
CudaReport ExamineCuda();

}  // namespace hasten
