// quantize's rows for CUDA devices.
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/quantize/cuda/kernels.cuh"

namespace hasten::cuda {
namespace {

// Codes are stored four at a time.
bool Takes(const QuantizeArgs& a) { return (a.ga % 4 == 0 || a.ga >= a.cols) && a.out.q_stride % 4 == 0; }

void RunQuantize(const QuantizeArgs& a, DeviceQueue& q) {
  if (a.cols <= 0) return;
  void (*warps)(QuantizeArgs) = nullptr;
  switch (a.ga) {
    case 32: warps = QuantizeKernel<32>; break;
    case 64: warps = QuantizeKernel<64>; break;
    case 128: warps = QuantizeKernel<128>; break;
    case 256: warps = QuantizeKernel<256>; break;
    case 512: warps = QuantizeKernel<512>; break;
    default: break;
  }
  const auto rows = static_cast<unsigned>(a.rows);
  constexpr int64_t kColumns = int64_t{kQuantizeWarps} * kQuantizeSpan;
  if (warps) Launch(q, "quantize_i8_cuda", {dim3(rows, static_cast<unsigned>((a.out.q_stride + kColumns - 1) / kColumns)), kQuantizeWarps * kWarp}, warps, a);
  else Launch(q, "quantize_i8_cuda", {dim3(rows, static_cast<unsigned>((a.cols + a.ga - 1) / a.ga)), kQuantizeThreads}, QuantizeGroupKernel, a);
}

constexpr DeviceKernel<QuantizeArgs> kTable[] = {{"quantize_i8_cuda", 75, Takes, nullptr, RunQuantize}};

}  // namespace

Table<QuantizeArgs> QuantizeTable() { return kTable; }

}  // namespace hasten::cuda
