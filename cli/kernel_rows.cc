#include "cli/kernel_rows.h"

#include <span>
#include <string_view>

#include "runtime/device/device.h"
#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/copy/contract.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/embed/contract.h"
#include "runtime/kernels/kernel.h"
#include "runtime/kernels/linear/contract.h"
#include "runtime/kernels/norm/contract.h"
#include "runtime/kernels/quantize/contract.h"
#include "runtime/kernels/rope/contract.h"
#include "runtime/quant/scheme.h"

namespace hasten::cli {
namespace {

// Sizes that every kernel of an op takes: what a kernel accepts depends on
// scheme and type, not on them.
constexpr int64_t kProbeCols = 1024, kProbeGroup = 32;

template <class Args>
KernelRow RowOf(std::string_view op, std::string_view variant, std::span<const Kernel<Args>> table, const Args& probe) {
  KernelRow row{.op = std::string(op), .variant = std::string(variant)};
  for (const Kernel<Args>& kernel : table) {
    if (kernel.accepts && !kernel.accepts(probe)) continue;
    for (size_t i = 0; i < kIsas.size(); ++i) {
      if (kernel.isa == kIsas[i]) row.kernels[i] = kernel.name;
    }
  }
  static const CudaReport cuda = ExamineCuda();
  if (cuda.kernels) {
    constexpr int kNewest = 1000;
    if (const DeviceKernel<Args>* k = SelectKernel(cuda.kernels->table<Args>(), probe, kNewest)) row.cuda = k->name;
    for (const DeviceKernel<Args>& k : cuda.kernels->table<Args>())
      if (k.trial && (!k.accepts || k.accepts(probe))) row.cuda_trial = k.name;
  }
  if (const Kernel<Args>* chosen = SelectKernel(table, probe, BestIsa())) row.chosen = chosen->name;
  return row;
}

std::string_view KvName(KvType type) {
  switch (type) {
    case KvType::kI8: return "kv int8";
    case KvType::kF16: return "kv fp16";
    case KvType::kF32: return "kv fp32";
  }
  return "";
}

}  // namespace

std::vector<KernelRow> AllKernelRows() {
  std::vector<KernelRow> rows;
  for (const SchemeInfo& info : AllSchemes()) {
    const LinearArgs linear{.scheme = info.scheme, .rows = 1, .n = kProbeCols, .k = kProbeCols, .ga = kProbeGroup};
    rows.push_back(RowOf("linear", info.name, LinearKernels(), linear));
  }
  for (const SchemeInfo& info : AllSchemes()) {
    const EmbedArgs embed{.scheme = info.scheme, .vocab = kProbeCols, .cols = kProbeCols};
    rows.push_back(RowOf("embed", info.name, EmbedKernels(), embed));
  }
  for (const KvType type : {KvType::kI8, KvType::kF16, KvType::kF32}) {
    AttentionShape shape{.heads = 8, .kv_heads = 2, .head_dim = 64, .v_head_dim = 64, .scale = 0.125f};
    shape.kv = type;
    rows.push_back(RowOf("attention", KvName(type), AttentionKernels(), AttentionArgs{.shape = shape}));
    rows.push_back(RowOf("kv_append", KvName(type), KvAppendKernels(), KvAppendArgs{.shape = shape}));
  }
  rows.push_back(RowOf("quantize", "int8", QuantizeKernels(), QuantizeArgs{.rows = 1, .cols = kProbeCols, .ga = kProbeGroup}));
  rows.push_back(RowOf("norm", "rms", NormKernels(), NormArgs{.kind = NormKind::kRms, .rows = 1, .cols = kProbeCols}));
  rows.push_back(RowOf("norm", "layer", NormKernels(), NormArgs{.kind = NormKind::kLayer, .rows = 1, .cols = kProbeCols}));
  rows.push_back(RowOf("rope", "fp32", RopeKernels(), RopeArgs{.rows = 1, .heads = 1, .head_dim = 64, .rotary_dim = 64}));
  rows.push_back(RowOf("unary", "fp32", UnaryKernels(), UnaryArgs{.rows = 1, .cols = kProbeCols}));
  rows.push_back(RowOf("binary", "fp32", BinaryKernels(), BinaryArgs{.rows = 1, .cols = kProbeCols}));
  rows.push_back(RowOf("gated", "fp32", GatedKernels(), GatedArgs{.rows = 1, .cols = kProbeCols}));
  rows.push_back(RowOf("copy", "fp32", CopyKernels(), CopyArgs{.rows = 1, .cols = kProbeCols}));
  return rows;
}

}  // namespace hasten::cli
