// The kernel table of linear: which row takes which arguments.
#include "runtime/kernels/linear/contract.h"
#include "runtime/kernels/linear/plan.h"
#include "runtime/kernels/linear/rows.h"

namespace hasten {
namespace {

// The definition's own limits (ref.cc): a run lies within one weight group and
// one segment, and a run over all of K must not overflow an int32.
bool AcceptsAny(const LinearArgs& a) {
  if (a.n < 1 || a.k < 1 || a.k > kMaxK || a.n > kMaxK) return false;
  const SchemeInfo& info = GetScheme(a.scheme);
  if (!info.integer) return true;
  if (a.ga >= a.k) return a.k <= (info.group ? info.group : int64_t{131072});
  return a.ga >= 32 && kSegment % a.ga == 0 && (info.group == 0 || info.group % a.ga == 0);
}
template <int kBits>
bool AcceptsBits(const LinearArgs& a) {
  return GetScheme(a.scheme).bits == kBits && AcceptsAny(a);
}
constexpr auto AcceptsInt4 = AcceptsBits<4>, AcceptsInt5 = AcceptsBits<5>, AcceptsInt6 = AcceptsBits<6>, AcceptsInt8 = AcceptsBits<8>;
bool AcceptsFloat(const LinearArgs& a) { return !GetScheme(a.scheme).integer && AcceptsAny(a); }

int64_t Tiles(const LinearArgs& a) { return PlanLinear(a).tiles; }

// One row's codes and scales.
size_t ScratchScalar(const LinearArgs& a) {
  const PackedLayout l = LayoutOf(a.scheme, a.n, a.k);
  return static_cast<size_t>((a.k * (GetScheme(a.scheme).integer ? 1 : 4) + 63) / 64 * 64 + l.groups * 4);
}
// The stack of segment sums, and one segment of a panel expanded: bytes for
// int4 to int6, fp32 for fp16.
size_t ScratchSimd(const LinearArgs& a) {
  const LinearPlan p = PlanLinear(a);
  return static_cast<size_t>(p.depth * p.chunk * kPanelCols * 4 + kPanelCols * kSegment * 4);
}

constexpr Kernel<LinearArgs> kTable[] = {
#define HST_KERNEL(name, isa, accepts, scratch, run) {name, isa, accepts, &Tiles, &scratch, &run},
#include "runtime/kernels/linear/kernels.def"
#undef HST_KERNEL
};

}  // namespace

std::span<const Kernel<LinearArgs>> LinearKernels() { return kTable; }

}  // namespace hasten
