// The kernel tables of a device, one for each op and each run of ops.
#pragma once

#include <span>
#include <tuple>

#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/copy/contract.h"
#include "runtime/kernels/device_kernel.h"
#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/embed/contract.h"
#include "runtime/kernels/fused/contract.h"
#include "runtime/kernels/linear/contract.h"
#include "runtime/kernels/norm/contract.h"
#include "runtime/kernels/quantize/contract.h"
#include "runtime/kernels/rope/contract.h"
#include "runtime/kernels/sample/contract.h"

namespace hasten {

// table<Args>() is the one for these arguments.
struct DeviceKernels {
  std::span<const DeviceKernel<EmbedArgs>> embed;
  std::span<const DeviceKernel<NormArgs>> norm;
  std::span<const DeviceKernel<QuantizeArgs>> quantize;
  std::span<const DeviceKernel<LinearArgs>> linear;
  std::span<const DeviceKernel<RopeArgs>> rope;
  std::span<const DeviceKernel<KvAppendArgs>> kv_append;
  std::span<const DeviceKernel<AttentionArgs>> attention;
  std::span<const DeviceKernel<UnaryArgs>> unary;
  std::span<const DeviceKernel<BinaryArgs>> binary;
  std::span<const DeviceKernel<GatedArgs>> gated;
  std::span<const DeviceKernel<CopyArgs>> copy;
  std::span<const DeviceKernel<SampleArgs>> sample;
  std::span<const DeviceKernel<FusedNormArgs>> fused_norm;
  std::span<const DeviceKernel<FusedActivationArgs>> fused_activation;
  std::span<const DeviceKernel<FusedAppendArgs>> fused_append;
  std::span<const DeviceKernel<FusedAttentionArgs>> fused_attention;

  template <class Args>
  std::span<const DeviceKernel<Args>> table() const {
    return std::get<const std::span<const DeviceKernel<Args>>&>(std::tie(embed, norm, quantize, linear, rope, kv_append, attention, unary, binary, gated,
                                                                         copy, sample, fused_norm, fused_activation, fused_append, fused_attention));
  }
};

}  // namespace hasten
