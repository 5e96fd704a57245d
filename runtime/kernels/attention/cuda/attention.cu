// attention: rows for CUDA devices.
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/attention/contract.h"

namespace hasten::cuda {

Table<AttentionArgs> AttentionTable() { return {}; }

}  // namespace hasten::cuda
