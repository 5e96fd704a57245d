// kv_append's rows for CUDA devices.
#include "runtime/kernels/attention/cuda/append.cuh"
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"

namespace hasten::cuda {
namespace {

void RunAppend(const KvAppendArgs& a, DeviceQueue& q) {
  void (*kernel)(KvAppendArgs, KvLayout) = nullptr;
  switch (a.shape.kv) {
    case KvType::kI8: kernel = AppendKernel<KvType::kI8>; break;
    case KvType::kF16: kernel = AppendKernel<KvType::kF16>; break;
    case KvType::kF32: kernel = AppendKernel<KvType::kF32>; break;
  }
  Launch(q, "kv_append_cuda", {dim3(static_cast<unsigned>(a.paged.rows), AppendBlocks(a)), kAppendWarps * kWarp}, kernel, a, LayoutOf(a.shape));
}

constexpr DeviceKernel<KvAppendArgs> kTable[] = {{"kv_append_cuda", 75, nullptr, nullptr, RunAppend}};

}  // namespace

Table<KvAppendArgs> KvAppendTable() { return kTable; }

}  // namespace hasten::cuda
