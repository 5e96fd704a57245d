// norm's rows for CUDA devices.
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/norm/cuda/norm.cuh"

namespace hasten::cuda {
namespace {

void RunNorm(const NormArgs& a, DeviceQueue& q) {
  const int64_t segments = (a.cols + kNormSegment - 1) / kNormSegment;
  Launch(q, "norm_cuda", {dim3(static_cast<unsigned>(a.rows), static_cast<unsigned>(a.groups)), kNormThreads, static_cast<size_t>(segments) * 4},
         NormKernel, a);
}

constexpr DeviceKernel<NormArgs> kTable[] = {{"norm_cuda", 75, nullptr, nullptr, RunNorm}};

}  // namespace

Table<NormArgs> NormTable() { return kTable; }

}  // namespace hasten::cuda
