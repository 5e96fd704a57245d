// The elementwise ops' rows for CUDA devices.
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/elementwise/cuda/elementwise.cuh"

namespace hasten::cuda {
namespace {

template <class Args>
void LaunchRows(const char* name, void (*kernel)(Args), const Args& a, DeviceQueue& q) {
  const RowsShape s = ShapeOfRows(a.rows, a.cols);
  Launch(q, name, {dim3(s.rows, s.pieces), s.threads}, kernel, a);
}

void RunUnary(const UnaryArgs& a, DeviceQueue& q) {
  WithUnary(a.op, [&](auto op) { LaunchRows("unary_cuda", &UnaryKernel<decltype(op)::value>, a, q); });
}
void RunBinary(const BinaryArgs& a, DeviceQueue& q) {
  WithBinary(a.op, [&](auto op) { LaunchRows("binary_cuda", &BinaryKernel<decltype(op)::value>, a, q); });
}
void RunGated(const GatedArgs& a, DeviceQueue& q) {
  WithUnary(a.act, [&](auto op) { LaunchRows("gated_cuda", &GatedKernel<decltype(op)::value>, a, q); });
}

constexpr DeviceKernel<UnaryArgs> kUnaryTable[] = {{"unary_cuda", 75, nullptr, nullptr, RunUnary}};
constexpr DeviceKernel<BinaryArgs> kBinaryTable[] = {{"binary_cuda", 75, nullptr, nullptr, RunBinary}};
constexpr DeviceKernel<GatedArgs> kGatedTable[] = {{"gated_cuda", 75, nullptr, nullptr, RunGated}};

}  // namespace

Table<UnaryArgs> UnaryTable() { return kUnaryTable; }
Table<BinaryArgs> BinaryTable() { return kBinaryTable; }
Table<GatedArgs> GatedTable() { return kGatedTable; }

}  // namespace hasten::cuda
