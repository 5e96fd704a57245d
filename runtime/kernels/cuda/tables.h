// The device tables of all ops for CUDA: one function an op, in kernels/<op>/cuda. Ops
// that are declared here and have no .cu file do not link.
#pragma once

#include <span>

#include "runtime/kernels/device_kernel.h"

namespace hasten {
struct EmbedArgs;
struct NormArgs;
struct QuantizeArgs;
struct LinearArgs;
struct RopeArgs;
struct KvAppendArgs;
struct AttentionArgs;
struct UnaryArgs;
struct BinaryArgs;
struct GatedArgs;
struct CopyArgs;
struct SampleArgs;
struct FusedNormArgs;
struct FusedActivationArgs;
struct FusedAppendArgs;
struct FusedAttentionArgs;
}  // namespace hasten

namespace hasten::cuda {

template <class Args>
using Table = std::span<const DeviceKernel<Args>>;

Table<EmbedArgs> EmbedTable();
Table<NormArgs> NormTable();
Table<QuantizeArgs> QuantizeTable();
Table<LinearArgs> LinearTable();
Table<RopeArgs> RopeTable();
Table<KvAppendArgs> KvAppendTable();
Table<AttentionArgs> AttentionTable();
Table<UnaryArgs> UnaryTable();
Table<BinaryArgs> BinaryTable();
Table<GatedArgs> GatedTable();
Table<CopyArgs> CopyTable();
Table<SampleArgs> SampleTable();
Table<FusedNormArgs> FusedNormTable();
Table<FusedActivationArgs> FusedActivationTable();
Table<FusedAppendArgs> FusedAppendTable();
Table<FusedAttentionArgs> FusedAttentionTable();

}  // namespace hasten::cuda
