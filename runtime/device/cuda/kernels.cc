// The CUDA tables, gathered; in the library for GPUs and in the emulated one.
#include "runtime/device/cuda/kernels.h"

#include "runtime/kernels/cuda/tables.h"

namespace hasten {

const DeviceKernels& CudaKernels() {
  static const DeviceKernels kernels{cuda::EmbedTable(),     cuda::NormTable(),      cuda::QuantizeTable(),  cuda::LinearTable(),    cuda::RopeTable(),
                                     cuda::KvAppendTable(),  cuda::AttentionTable(), cuda::UnaryTable(),     cuda::BinaryTable(),    cuda::GatedTable(),
                                     cuda::CopyTable(),      cuda::SampleTable(),    cuda::FusedNormTable(), cuda::FusedActivationTable(),
                                     cuda::FusedAppendTable(), cuda::FusedAttentionTable()};
  return kernels;
}

}  // namespace hasten
