// rope: rows for CUDA devices.
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/rope/contract.h"

namespace hasten::cuda {

Table<RopeArgs> RopeTable() { return {}; }

}  // namespace hasten::cuda
