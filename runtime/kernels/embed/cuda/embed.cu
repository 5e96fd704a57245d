// embed: rows for CUDA devices.
#include "runtime/kernels/cuda/tables.h"
#include "runtime/kernels/embed/contract.h"

namespace hasten::cuda {

Table<EmbedArgs> EmbedTable() { return {}; }

}  // namespace hasten::cuda
