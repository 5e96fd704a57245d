// kv_append: sixteen floats at a time.
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/quant.h"
#include "runtime/kernels/attention/rows.h"
#include "runtime/kernels/attention/store_avx512.h"

namespace hasten {
namespace {

#include "runtime/kernels/attention/cpu_quant.inc"
#include "runtime/kernels/attention/cpu_append.inc"

}  // namespace

const Kernel<KvAppendArgs> kKvAppendAvx512 = {"kv_append_avx512vnni", Isa::kAvx512Vnni, nullptr, KvAppendTiles, KvAppendScratch,
                                         RunAppend<F16>};

}  // namespace hasten
