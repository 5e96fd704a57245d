// embed on a device: a block of threads a piece of one row (rows.cuh), each thread with
// values of its own. A packed row's bytes stand 4 or 8 in a line of 64, so that reading
// them one by one costs no more sectors of memory than wider loads would.
#pragma once

#include "runtime/kernels/cuda/rows.cuh"
#include "runtime/kernels/embed/contract.h"
#include "runtime/quant/float_codec.h"
#include "runtime/quant/int8_codec.h"
#include "runtime/quant/uint_codec.h"

namespace hasten::cuda {

// Column i of row `row` of the table.
template <class Codec>
HST_DEVICE float TableValue(Codec, const PackedLayout& l, const std::byte* table, int64_t row, int64_t i) {
  return Codec::ValueAt(l, table + row / kBlockRows * l.block_bytes, row % kBlockRows, i);
}
HST_DEVICE float TableValue(codec::FloatCodec<32>, const PackedLayout& l, const std::byte* table, int64_t row, int64_t i) {
  return reinterpret_cast<const float*>(table + row * l.block_bytes)[i];
}
HST_DEVICE float TableValue(codec::FloatCodec<16>, const PackedLayout& l, const std::byte* table, int64_t row, int64_t i) {
  return HalfToFloat(reinterpret_cast<const uint16_t*>(table + row * l.block_bytes)[i]);
}

template <class Codec>
__global__ void __launch_bounds__(kRowsThreads) EmbedKernel(EmbedArgs a, PackedLayout l) {
  WaitForPrevious();
  const int64_t row = int64_t{a.ids[blockIdx.x]} + a.offset;
  if (row < 0 || row >= a.vocab) return;   // a padded row has no token
  float values[kRowsEach];
  HST_DEVICE_UNROLL
  for (int i = 0; i < kRowsEach; ++i) values[i] = ColumnOf(i) < a.cols ? TableValue(Codec(), l, a.table, row, ColumnOf(i)) : 0.0f;
  float* out = a.out + blockIdx.x * a.out_stride;
  HST_DEVICE_UNROLL
  for (int i = 0; i < kRowsEach; ++i)
    if (ColumnOf(i) < a.cols) out[ColumnOf(i)] = values[i];
}

}  // namespace hasten::cuda
