// norm's rows for CUDA devices.
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/norm/cuda/norm.cuh"

namespace hasten::cuda {
namespace {

__global__ void __launch_bounds__(kNormThreads) NormKernel(NormArgs a) {
  HST_DYNAMIC_SHARED(shared);
  float* sums = reinterpret_cast<float*>(shared);
  WaitForPrevious();
  const float* x = a.x + blockIdx.x * a.x_stride + blockIdx.y * a.cols;
  float* out = a.out + blockIdx.x * a.out_stride + blockIdx.y * a.cols;
  const float mean = a.kind == NormKind::kLayer ? NormMean(x, a.cols, false, 0.0f, sums) : 0.0f;
  const float inverse = 1.0f / Sqrt(NormMean(x, a.cols, true, mean, sums) + a.eps);
  for (int64_t i = threadIdx.x; i < a.cols; i += kNormThreads) out[i] = Normalized(a, x[i], mean, inverse, i);
}

void RunNorm(const NormArgs& a, DeviceQueue& q) {
  const int64_t segments = (a.cols + kNormSegment - 1) / kNormSegment;
  Launch(q, "norm_cuda", {dim3(static_cast<unsigned>(a.rows), static_cast<unsigned>(a.groups)), kNormThreads, static_cast<size_t>(segments) * 4},
         NormKernel, a);
}

constexpr DeviceKernel<NormArgs> kTable[] = {{"norm_cuda", 75, nullptr, nullptr, RunNorm}};

}  // namespace

Table<NormArgs> NormTable() { return kTable; }

}  // namespace hasten::cuda
