// Rows of the fused runs for CUDA devices.
#include "runtime/kernels/cuda/launch.h"
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/fused/cuda/activation.cuh"
#include "runtime/kernels/fused/cuda/append.cuh"
#include "runtime/kernels/fused/cuda/norm.cuh"

namespace hasten::cuda {
namespace {

bool WithinWarps(const QuantizeArgs& q) { return q.ga == 32 || q.ga == 64 || q.ga == 128; }

// norm ------------------------------------------------------------------------------

bool TakesNorm(const FusedNormArgs& a) {
  if (a.norm.groups != 1 || a.norm.cols > kFusedNormCols || (!a.adds && a.quantizes == 0)) return false;
  if (a.adds && (a.add.op != Binary::kAdd || a.add.b_kind != Operand::kRows || a.add.cols != a.norm.cols)) return false;
  for (int i = 0; i < a.quantizes; ++i)
    if (!WithinWarps(a.quantize[i]) || a.quantize[i].cols != a.norm.cols) return false;
  return true;
}

void RunNorm(const FusedNormArgs& a, DeviceQueue& q) {
  const int64_t cols = (a.norm.cols + 3) / 4 * 4, spans = (a.norm.cols + kQuantizeSpan - 1) / kQuantizeSpan;
  const auto threads = static_cast<unsigned>(spans * kWarp < kFusedNormThreads ? spans * kWarp : kFusedNormThreads);
  Launch(q, "fused_norm_cuda", {dim3(static_cast<unsigned>(a.norm.rows)), threads, static_cast<size_t>(cols + spans) * 4}, FusedNormKernel, a);
}

constexpr DeviceKernel<FusedNormArgs> kNormTable[] = {{"fused_norm_cuda", 80, TakesNorm, nullptr, RunNorm}};

// activation ------------------------------------------------------------------------

// Calls f with the kernel of an activation that models have in front of a linear; not at
// all for the others.
template <class F>
void WithActivation(Unary op, const F& f) {
  switch (op) {
    case Unary::kRelu: return f(FusedActivationKernel<Unary::kRelu>);
    case Unary::kSilu: return f(FusedActivationKernel<Unary::kSilu>);
    case Unary::kGelu: return f(FusedActivationKernel<Unary::kGelu>);
    case Unary::kGeluTanh: return f(FusedActivationKernel<Unary::kGeluTanh>);
    case Unary::kQuickGelu: return f(FusedActivationKernel<Unary::kQuickGelu>);
    case Unary::kRelu2: return f(FusedActivationKernel<Unary::kRelu2>);
    default: return;
  }
}

bool TakesActivation(const FusedActivationArgs& a) {
  bool known = false;
  WithActivation(a.gated ? a.gate.act : a.unary.op, [&](auto) { known = true; });
  return known && WithinWarps(a.quantize) && a.quantize.cols == (a.gated ? a.gate.cols : a.unary.cols);
}

void RunActivation(const FusedActivationArgs& a, DeviceQueue& q) {
  const Activation act = a.gated ? Activation{a.gate.gate, a.gate.up, a.gate.out, a.gate.gate_stride, a.gate.up_stride, a.gate.out_stride, a.gate.cols}
                                 : Activation{a.unary.x, nullptr, a.unary.out, a.unary.x_stride, 0, a.unary.out_stride, a.unary.cols};
  constexpr int64_t kColumns = int64_t{kActivationWarps} * kQuantizeLine;
  const auto pieces = static_cast<unsigned>((a.quantize.out.q_stride + kColumns - 1) / kColumns);
  WithActivation(a.gated ? a.gate.act : a.unary.op, [&](auto kernel) {
    Launch(q, "fused_activation_cuda", {dim3(static_cast<unsigned>(a.quantize.rows), pieces), kActivationWarps * kWarp}, kernel, act, a.quantize);
  });
}

constexpr DeviceKernel<FusedActivationArgs> kActivationTable[] = {{"fused_activation_cuda", 80, TakesActivation, nullptr, RunActivation}};

// append ----------------------------------------------------------------------------

bool TakesAppend(const FusedAppendArgs& a) { return a.key.heads == a.append.shape.kv_heads && a.key.head_dim == a.append.shape.head_dim; }

void RunAppend(const FusedAppendArgs& a, DeviceQueue& q) {
  void (*kernel)(FusedAppendArgs, KvLayout, int) = nullptr;
  switch (a.append.shape.kv) {
    case KvType::kI8: kernel = FusedAppendKernel<KvType::kI8>; break;
    case KvType::kF16: kernel = FusedAppendKernel<KvType::kF16>; break;
    case KvType::kF32: kernel = FusedAppendKernel<KvType::kF32>; break;
  }
  const unsigned append = AppendBlocks(a.append), all = append + (a.queries ? RopeBlocks(a.query) : 0);
  Launch(q, "fused_append_cuda", {dim3(static_cast<unsigned>(a.append.paged.rows), all), kRopeThreads}, kernel, a, LayoutOf(a.append.shape),
         static_cast<int>(append));
}

constexpr DeviceKernel<FusedAppendArgs> kAppendTable[] = {{"fused_append_cuda", 80, TakesAppend, nullptr, RunAppend}};

}  // namespace

Table<FusedNormArgs> FusedNormTable() { return kNormTable; }
Table<FusedActivationArgs> FusedActivationTable() { return kActivationTable; }
Table<FusedAppendArgs> FusedAppendTable() { return kAppendTable; }

}  // namespace hasten::cuda
