// kv_append: eight floats at a time.
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/quant.h"
#include "runtime/kernels/attention/rows.h"
#include "runtime/kernels/attention/store_avx2.h"

namespace hasten {
namespace {

#include "runtime/kernels/attention/cpu_quant.inc"
#include "runtime/kernels/attention/cpu_append.inc"

}  // namespace

const Kernel<KvAppendArgs> kKvAppendAvx2 = {"kv_append_avx2", Isa::kAvx2, nullptr, KvAppendTiles, KvAppendScratch,
                                         RunAppend<F8>};

}  // namespace hasten
