// copy's rows for CUDA devices.
#include "runtime/kernels/copy/cuda/copy.cuh"
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"

namespace hasten::cuda {
namespace {

void RunCopy(const CopyArgs& a, DeviceQueue& q) {
  const RowsShape s = ShapeOfRows(a.rows, a.cols);
  Launch(q, "copy_cuda", {dim3(s.rows, s.pieces), s.threads}, CopyKernel, a);
}

constexpr DeviceKernel<CopyArgs> kTable[] = {{"copy_cuda", 75, nullptr, nullptr, RunCopy}};

}  // namespace

Table<CopyArgs> CopyTable() { return kTable; }

}  // namespace hasten::cuda
