// sample: rows for CUDA devices.
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/sample/contract.h"

namespace hasten::cuda {

Table<SampleArgs> SampleTable() { return {}; }

}  // namespace hasten::cuda
