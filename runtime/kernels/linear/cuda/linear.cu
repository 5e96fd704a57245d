// linear: rows for CUDA devices.
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/linear/contract.h"

namespace hasten::cuda {

Table<LinearArgs> LinearTable() { return {}; }

}  // namespace hasten::cuda
