// rope's rows for CUDA devices.
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/rope/cuda/rope.cuh"

namespace hasten::cuda {
namespace {

void RunRope(const RopeArgs& a, DeviceQueue& q) {
  const int64_t pairs = a.heads * (a.rotary_dim / 2), each = int64_t{kRopeThreads} * kRopeEach;
  const int64_t blocks = pairs > 0 ? (pairs + each - 1) / each : 1;   // without a pair, what is not rotated is still copied
  Launch(q, "rope_cuda", {dim3(static_cast<unsigned>(a.rows), static_cast<unsigned>(blocks)), kRopeThreads}, RopeKernel, a);
}

constexpr DeviceKernel<RopeArgs> kTable[] = {{"rope_cuda", 75, nullptr, nullptr, RunRope}};

}  // namespace

Table<RopeArgs> RopeTable() { return kTable; }

}  // namespace hasten::cuda
