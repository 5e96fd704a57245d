// The kernel tables for CUDA devices.
#pragma once

#include "runtime/device/kernels.h"

namespace hasten {

const DeviceKernels& CudaKernels();

}  // namespace hasten
