// The kernel table of quantize, and the layout of quantized rows.
#include "runtime/kernels/quantize/contract.h"
#include "runtime/kernels/quantize/rows.h"

namespace hasten {
namespace {

int64_t Tiles(const QuantizeArgs& a) { return a.cols > 0 ? a.rows : 0; }
// What a row leaves for its residual.
size_t Scratch(const QuantizeArgs& a) { return a.out.parts > 1 ? static_cast<size_t>(a.cols) * sizeof(float) : 0; }

constexpr Kernel<QuantizeArgs> kTable[] = {
#define HST_KERNEL(name, isa, run) {name, isa, nullptr, &Tiles, &Scratch, &run},
#include "runtime/kernels/quantize/kernels.def"
#undef HST_KERNEL
};

}  // namespace

std::span<const Kernel<QuantizeArgs>> QuantizeKernels() { return kTable; }

QuantizedLayout QuantizedRowLayout(int64_t cols, int64_t ga, bool residual) {
  const int64_t q_stride = (cols + 63) / 64 * 64;
  const int64_t groups = (cols + ga - 1) / ga;
  const int64_t g_stride = (groups + 15) / 16 * 16;
  const int64_t parts = residual ? 2 : 1;
  return {q_stride, g_stride, parts, static_cast<size_t>(parts * (q_stride + 8 * g_stride))};
}

QuantizedRows QuantizedRowsAt(std::byte* base, int64_t rows, const QuantizedLayout& l) {
  std::byte* scale = base + rows * l.parts * l.q_stride;
  std::byte* sum = scale + rows * l.parts * l.g_stride * 4;
  return {reinterpret_cast<int8_t*>(base), reinterpret_cast<float*>(scale), reinterpret_cast<int32_t*>(sum), l.q_stride,
          l.g_stride, l.parts};
}

}  // namespace hasten
