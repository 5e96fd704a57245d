// A CUDA device through the CUDA runtime, which is linked statically and opens the
// driver when it is first used: the same program runs where there is no driver, and says
// so. No exception leaves, and every call's result is looked at.
#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "runtime/device/cuda/kernels.h"
#include "runtime/device/cuda/probe.h"
#include "runtime/device/device.h"

#ifndef HASTEN_CUDA_ARCHITECTURES
#error "the build defines HASTEN_CUDA_ARCHITECTURES"
#endif

namespace hasten {
namespace {

std::string Version(int v) { return StrCat(v / 1000, ".", v % 1000 / 10); }
std::string Megabytes(uint64_t bytes) { return StrCat((bytes + 999999) / 1000000, " MB"); }

Status Failed(const char* what, cudaError_t e) {
  return ResourceError("CUDA: ", what, ": ", cudaGetErrorString(e), " (", cudaGetErrorName(e), ")");
}

class CudaGraph final : public DeviceGraph {
 public:
  explicit CudaGraph(cudaGraphExec_t graph) : graph(graph) {}
  ~CudaGraph() override { cudaGraphExecDestroy(graph); }
  const cudaGraphExec_t graph;
};

class CudaQueue final : public Queue {
 public:
  CudaQueue(std::shared_ptr<Device> device, int ordinal, cudaStream_t stream, bool own)
      : device_(std::move(device)), ordinal_(ordinal), stream_(stream), own_(own) {
    const DeviceInfo info = device_->Info();
    launches_.stream = stream, launches_.arch = info.arch, launches_.processors = info.processors;
  }
  ~CudaQueue() override {
    cudaSetDevice(ordinal_);
    cudaStreamSynchronize(stream_);   // nothing may still use what is freed after this
    if (own_) cudaStreamDestroy(stream_);
  }

  Status ReserveScratch(uint64_t bytes) override {
    if (bytes <= scratch_.size()) return {};
    HST_RETURN_IF_ERROR(Wait());
    scratch_ = {};
    launches_.scratch = nullptr, launches_.scratch_bytes = 0;
    HST_ASSIGN_OR_RETURN(scratch_, device_->Allocate(bytes, "the kernels' scratch"));
    launches_.scratch = scratch_.data(), launches_.scratch_bytes = bytes;
    return {};
  }
  void Upload(std::byte* to, const std::byte* host, uint64_t bytes) override { Move(to, host, bytes, cudaMemcpyHostToDevice); }
  void Download(std::byte* host, const std::byte* from, uint64_t bytes) override { Move(host, from, bytes, cudaMemcpyDeviceToHost); }
  void Copy(std::byte* to, const std::byte* from, uint64_t bytes) override { Move(to, from, bytes, cudaMemcpyDeviceToDevice); }
  void CopyRows(std::byte* to, uint64_t to_stride, const std::byte* from, uint64_t from_stride, uint64_t bytes, uint64_t rows) override {
    if (!Ready() || bytes == 0 || rows == 0) return;
    Note(cudaMemcpy2DAsync(to, to_stride, from, from_stride, bytes, rows, cudaMemcpyDeviceToDevice, stream_), "copying rows");
  }

  Status Wait() override {
    if (Ready()) Note(cudaStreamSynchronize(stream_), "a kernel of the step");
    if (launches_.error == 0) return {};
    return ResourceError("the CUDA device failed in ", launches_.failed ? launches_.failed : "a launch", ": ",
                         cudaGetErrorString(static_cast<cudaError_t>(launches_.error)),
                         "; this context can do nothing more, make another one");
  }

  std::unique_ptr<DeviceGraph> Record(const std::function<void()>& launch) override {
    if (!Ready()) return nullptr;
    // Only this thread's calls: others may allocate meanwhile.
    if (cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal) != cudaSuccess) return Forget();
    launch();
    const int failed = launches_.error;
    launches_.error = 0, launches_.failed = nullptr;
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(stream_, &graph);
    cudaGraphExec_t ready = nullptr;
    if (failed == 0 && ended == cudaSuccess) cudaGraphInstantiate(&ready, graph, 0);
    if (graph) cudaGraphDestroy(graph);
    if (!ready) return Forget();
    return std::make_unique<CudaGraph>(ready);
  }
  void Replay(const DeviceGraph& graph) override {
    if (Ready()) Note(cudaGraphLaunch(static_cast<const CudaGraph&>(graph).graph, stream_), "a recorded step");
  }

 private:
  bool Ready() {
    if (launches_.error == 0) Note(cudaSetDevice(ordinal_), "choosing the device");
    return launches_.error == 0;
  }
  void Note(cudaError_t e, const char* what) {
    if (e != cudaSuccess && launches_.error == 0) launches_.error = e, launches_.failed = what;
  }
  std::unique_ptr<DeviceGraph> Forget() {
    cudaGetLastError();   // of a recording, which the step does without
    return nullptr;
  }
  void Move(std::byte* to, const std::byte* from, uint64_t bytes, cudaMemcpyKind kind) {
    if (bytes > 0 && Ready()) Note(cudaMemcpyAsync(to, from, bytes, kind, stream_), "a copy");
  }

  const std::shared_ptr<Device> device_;
  const int ordinal_;
  const cudaStream_t stream_;
  const bool own_;
  DeviceMemory scratch_;
};

Result<DeviceInfo> InfoOf(int ordinal) {
  cudaDeviceProp p{};
  if (const cudaError_t e = cudaGetDeviceProperties(&p, ordinal); e != cudaSuccess) return Failed("reading the device's properties", e);
  DeviceInfo info;
  info.name = p.name;
  info.arch = p.major * 10 + p.minor;
  info.processors = p.multiProcessorCount;
  info.memory_bytes = p.totalGlobalMem;
  cudaDriverGetVersion(&info.driver);
  cudaRuntimeGetVersion(&info.toolkit);
  return info;
}

class CudaDevice final : public Device {
 public:
  CudaDevice(int ordinal, DeviceInfo info, uint64_t limit) : ordinal_(ordinal), info_(std::move(info)), limit_(limit) {}

  DeviceInfo Info() const override {
    DeviceInfo info = info_;
    size_t free = 0, all = 0;
    if (cudaSetDevice(ordinal_) == cudaSuccess && cudaMemGetInfo(&free, &all) == cudaSuccess) info.free_bytes = free;
    return info;
  }
  const DeviceKernels& kernels() const override { return CudaKernels(); }
  DeviceRoom Room() const override { return {limit_, used_, Info().free_bytes}; }

  Result<DeviceMemory> Allocate(uint64_t bytes, const char* what) override {
    const uint64_t used = used_.fetch_add(bytes);
    if (limit_ > 0 && used + bytes > limit_) {
      used_ -= bytes;
      return ResourceError("out of device memory: ", what, " needs ", Megabytes(bytes), "; ", Megabytes(used), " of the limit of ",
                           Megabytes(limit_), " are in use");
    }
    void* p = nullptr;
    cudaError_t e = cudaSetDevice(ordinal_);
    if (e == cudaSuccess) e = cudaMalloc(&p, bytes);
    if (e != cudaSuccess) {
      used_ -= bytes;
      cudaGetLastError();
      if (e != cudaErrorMemoryAllocation) return Failed(what, e);
      const DeviceInfo now = Info();
      return ResourceError("out of device memory: ", what, " needs ", Megabytes(bytes), ", of ", Megabytes(now.memory_bytes), " ",
                           Megabytes(now.free_bytes), " are free");
    }
    return DeviceMemory(shared_from_this(), static_cast<std::byte*>(p), bytes, false);
  }
  Result<DeviceMemory> AllocateHost(uint64_t bytes, const char* what) override {
    void* p = nullptr;
    cudaError_t e = cudaSetDevice(ordinal_);
    if (e == cudaSuccess) e = cudaHostAlloc(&p, bytes, cudaHostAllocDefault);
    if (e != cudaSuccess) {
      cudaGetLastError();
      return ResourceError("no page-locked memory for ", what, ": ", Megabytes(bytes), ": ", cudaGetErrorString(e));
    }
    return DeviceMemory(shared_from_this(), static_cast<std::byte*>(p), bytes, true);
  }
  Result<std::unique_ptr<Queue>> NewQueue(void* stream) override {
    cudaError_t e = cudaSetDevice(ordinal_);
    cudaStream_t own = static_cast<cudaStream_t>(stream);
    if (e == cudaSuccess && !stream) e = cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking);
    if (e != cudaSuccess) return Failed("making a stream", e);
    return std::unique_ptr<Queue>(new CudaQueue(shared_from_this(), ordinal_, own, stream == nullptr));
  }

 private:
  void Free(std::byte* data, uint64_t bytes, bool host) override {
    cudaSetDevice(ordinal_);
    if (host) {
      cudaFreeHost(data);
    } else {
      cudaFree(data);
      used_ -= bytes;
    }
  }

  const int ordinal_;
  const DeviceInfo info_;
  const uint64_t limit_;
  std::atomic<uint64_t> used_{0};
};

// Why no device can be used; ok: `count` can.
Status CountDevices(int* count) {
  int driver = 0, toolkit = 0;
  cudaRuntimeGetVersion(&toolkit);
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
    return ResourceError("no CUDA device can be used: there is no NVIDIA driver (libcuda.so.1); install it, or use the CPU");
  if (driver / 1000 < toolkit / 1000)
    return ResourceError("no CUDA device can be used: the NVIDIA driver is too old: it knows CUDA ", Version(driver), ", needed is ",
                         Version(toolkit), " or later");
  const cudaError_t e = cudaGetDeviceCount(count);
  if (e == cudaErrorNoDevice || (e == cudaSuccess && *count == 0))
    return ResourceError("no CUDA device can be used: the driver finds none (is CUDA_VISIBLE_DEVICES set?)");
  return e == cudaSuccess ? Status() : Failed("no device can be used", e);
}

Status CheckArchitecture(int ordinal, const DeviceInfo& info) {
  cudaError_t e = cudaSetDevice(ordinal);
  if (e == cudaSuccess) e = static_cast<cudaError_t>(ProbeKernelImage());
  if (e == cudaSuccess) return {};
  cudaGetLastError();
  if (e == cudaErrorNoKernelImageForDevice || e == cudaErrorInvalidDeviceFunction || e == cudaErrorUnsupportedPtxVersion)
    return ResourceError("CUDA device ", ordinal, " (", info.name, ") is of architecture sm_", info.arch, ", which this build has no code for; it has ",
                         HASTEN_CUDA_ARCHITECTURES);
  return Failed("starting the device", e);
}

}  // namespace

Result<std::shared_ptr<Device>> OpenCudaDevice(int ordinal, uint64_t memory_limit) {
  int count = 0;
  HST_RETURN_IF_ERROR(CountDevices(&count));
  if (ordinal < 0 || ordinal >= count) return ResourceError("there is no CUDA device ", ordinal, "; devices 0 to ", count - 1, " are there");
  HST_ASSIGN_OR_RETURN(DeviceInfo info, InfoOf(ordinal));
  HST_RETURN_IF_ERROR(CheckArchitecture(ordinal, info));
  return std::shared_ptr<Device>(std::make_shared<CudaDevice>(ordinal, std::move(info), memory_limit));
}

CudaReport ExamineCuda() {
  CudaReport report{true, HASTEN_CUDA_ARCHITECTURES, "", &CudaKernels(), {}};
  int count = 0;
  if (const Status s = CountDevices(&count); !s.ok()) {
    report.problem = s.message();
    return report;
  }
  for (int i = 0; i < count; ++i) {
    if (Result<std::shared_ptr<Device>> d = OpenCudaDevice(i); d.ok()) report.devices.push_back((*d)->Info());
    else report.problem += StrCat(report.problem.empty() ? "" : "; ", d.status().message());
  }
  return report;
}

}  // namespace hasten
