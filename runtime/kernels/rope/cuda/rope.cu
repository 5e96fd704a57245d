// rope's rows for CUDA devices.
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/rope/cuda/rope.cuh"

namespace hasten::cuda {
namespace {

__global__ void __launch_bounds__(kRopeThreads) RopeKernel(RopeArgs a) {
  WaitForPrevious();
  RopeRow(a, blockIdx.x, static_cast<int>(blockIdx.y), static_cast<int>(gridDim.y));
}

void RunRope(const RopeArgs& a, DeviceQueue& q) {
  Launch(q, "rope_cuda", {dim3(static_cast<unsigned>(a.rows), RopeBlocks(a)), kRopeThreads}, RopeKernel, a);
}

constexpr DeviceKernel<RopeArgs> kTable[] = {{"rope_cuda", 75, nullptr, nullptr, RunRope}};

}  // namespace

Table<RopeArgs> RopeTable() { return kTable; }

}  // namespace hasten::cuda
