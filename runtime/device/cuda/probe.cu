// A kernel of no use but to be looked up.
#include "runtime/device/cuda/probe.h"

namespace hasten {
namespace {

__global__ void Probe() {}

}  // namespace

int ProbeKernelImage() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, Probe);
}

}  // namespace hasten
