// The one way a kernel is launched. On a GPU: on the queue's stream, with programmatic
// dependent launch where the architecture has it, and with the error kept; in the
// emulator: at once.
#pragma once

#include <cstddef>

#include "runtime/kernels/cuda/simt.h"
#include "runtime/kernels/device_kernel.h"

namespace hasten::cuda {

struct LaunchShape {
  dim3 grid, block;
  size_t shared = 0;   // bytes of dynamic shared memory
};

// Shared memory that a block may have, its fixed arrays included (CUDA C++ Programming
// Guide, "Technical Specifications per Compute Capability").
inline int64_t BlockSharedMemory(int arch) {
  switch (arch) {
    case 75: return 64 * 1024;
    case 80: case 87: return 163 * 1024;
    case 90: case 100: case 103: case 110: return 227 * 1024;
    default: return 99 * 1024;
  }
}

// Nothing is launched for an empty grid, nor after a failure.
template <class... P, class... A>
void Launch(DeviceQueue& q, const char* name, const LaunchShape& s, void (*kernel)(P...), A... args) {
  if (q.error != 0 || s.grid.x == 0 || s.grid.y == 0 || s.grid.z == 0) return;
#if defined(__CUDACC__)
  if (s.shared > 48 * 1024) {
    const cudaError_t e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(s.shared));
    if (e != cudaSuccess) {
      q.error = e, q.failed = name;
      return;
    }
  }
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = s.grid, config.blockDim = s.block, config.dynamicSmemBytes = s.shared;
  config.stream = static_cast<cudaStream_t>(q.stream);
  config.attrs = &early, config.numAttrs = q.arch >= 90 ? 1 : 0;
  const cudaError_t e = cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...);
  if (e != cudaSuccess) q.error = e, q.failed = name;
#else
  emulated::Run(s.grid, s.block, s.shared, [&] { kernel(static_cast<P>(args)...); }, q.arch, name);
#endif
}

}  // namespace hasten::cuda
