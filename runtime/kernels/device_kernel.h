// A kernel on a device: a row of its op's device table, in the shape of kernel.h's.
// It computes the same bits as the scalar reference; its arguments are the same
// structs, with addresses of device memory. The CUDA rows are in kernels/<op>/cuda/;
// they are compiled by nvcc for a GPU, and by the C++ compiler for the emulator of
// tests/device, so that what does not need a GPU is tested without one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hasten {

// Work in order on one device, as launchers see it. One thread at a time.
struct DeviceQueue {
  void* stream = nullptr;          // cudaStream_t
  int arch = 0;                    // 90 for sm_90
  int processors = 1;              // multiprocessors
  std::byte* scratch = nullptr;    // device memory, 256-byte aligned, as much as the kernels asked for
  size_t scratch_bytes = 0;
  int error = 0;                   // cudaError_t of the first launch that failed; later ones are not made
  const char* failed = nullptr;    // and its kernel's name
};

template <class Args>
struct DeviceKernel {
  const char* name;                // "<op>_<variant>_cuda", as `hasten kernels` prints it
  int arch;                        // least architecture: 80 for sm_80
  bool (*accepts)(const Args&);    // null: all
  // Bytes of device memory that a run needs in queue.scratch, at most for any step of no more
  // rows than the arguments' on such a device; null: none. Its content is not kept.
  size_t (*scratch)(const Args&, const DeviceQueue&);
  // Never allocates, never waits; may be captured into a graph.
  void (*launch)(const Args&, DeviceQueue&);
  // Never chosen, but tested like the others and timed by device_bench: until a GPU has shown
  // its bits and its speed.
  bool trial = false;
};

// The best row for the arguments: of those that the device runs and that are not on trial, the one for the latest
// architecture, and the first of several; null if none.
template <class Args>
const DeviceKernel<Args>* SelectKernel(std::span<const DeviceKernel<Args>> table, const Args& args, int arch) {
  const DeviceKernel<Args>* best = nullptr;
  for (const DeviceKernel<Args>& k : table) {
    if (k.trial || k.arch > arch || (k.accepts && !k.accepts(args))) continue;
    if (!best || k.arch > best->arch) best = &k;
  }
  return best;
}

}  // namespace hasten
