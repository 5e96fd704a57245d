// kv_append on a device: a warp a token and KV head. Its key and value are read twice
// for an INT8 cache, for the scale and for the codes; the second time from the cache.
#pragma once

#include "runtime/base/half.h"
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/quant.h"
#include "runtime/kernels/cuda/simt.h"

namespace hasten::cuda {

inline constexpr int kAppendWarps = 4;   // of a block: heads of the same token

// ScaleOf of quant.h by a warp; the same in all lanes.
HST_DEVICE float WarpScaleOf(const float* x, int n, int lane) {
  uint32_t top = 0;
  for (int i = lane; i < n; i += kWarp) {
    const uint32_t magnitude = Bits(x[i]) & 0x7fffffffu;
    top = magnitude > top ? magnitude : top;
  }
  HST_DEVICE_UNROLL
  for (int step = kWarp / 2; step >= 1; step /= 2) {
    const uint32_t other = __shfl_xor_sync(kFullMask, top, step);
    top = other > top ? other : top;
  }
  return top < kTinyBits ? 0.0f : FromBits<float>(top) / 127.0f;
}

HST_DEVICE void AppendI8(const AttentionShape& s, const KvLayout& l, const PageHead<std::byte>& p, int64_t slot, const float* k,
                         const float* v, int lane) {
  const int k_cols = static_cast<int>(s.head_dim), v_cols = static_cast<int>(s.v_head_dim);
  float* scales = reinterpret_cast<float*>(p.scales) + slot;
  const float k_scale = WarpScaleOf(k, k_cols, lane);
  if (lane == 0) scales[0] = k_scale;
  for (int d = 4 * lane; d < k_cols; d += 4 * kWarp) {   // four codes of a key are one word
    uint32_t word = 0;
    HST_DEVICE_UNROLL
    for (int j = 0; j < 4; ++j) {
      const int32_t q = d + j < k_cols ? QuantizeToI8(k[d + j], k_scale) : 0;
      word |= static_cast<uint32_t>(q + 128) << 8 * j;
    }
    *reinterpret_cast<uint32_t*>(p.k + KeyIndexI8(d, slot)) = word;
  }
  const float v_scale = WarpScaleOf(v, v_cols, lane);
  if (lane == 0) scales[kKvPageTokens] = v_scale;
  for (int d = lane; d < static_cast<int>(l.v_cols); d += kWarp) {
    const int32_t q = d < v_cols ? QuantizeToI8(v[d], v_scale) : 0;
    p.v[ValueIndexI8(l, d, slot)] = static_cast<std::byte>(q);
  }
}

HST_DEVICE void Convert(float x, uint16_t* to) { *to = FloatToHalf(x); }
HST_DEVICE void Convert(float x, float* to) { *to = x; }

template <class T>
HST_DEVICE void AppendFloat(const AttentionShape& s, const KvLayout& l, const PageHead<std::byte>& p, int64_t slot, const float* k,
                            const float* v, int lane) {
  T* kp = reinterpret_cast<T*>(p.k);
  T* vp = reinterpret_cast<T*>(p.v);
  for (int d = lane; d < static_cast<int>(s.head_dim); d += kWarp) Convert(k[d], kp + KeyIndex(d, slot));
  for (int d = lane; d < static_cast<int>(l.v_cols); d += kWarp) Convert(d < s.v_head_dim ? v[d] : 0.0f, vp + ValueIndex(l, d, slot));
}

// The key and value of one token and KV head, by a warp.
template <KvType kKv>
HST_DEVICE void AppendHead(const KvAppendArgs& a, const KvLayout& l, int64_t row, int64_t head, int lane) {
  const int32_t index = a.paged.row_sequence[row];
  if (index < 0) return;   // a padded row belongs to no sequence
  const PagedSequence sequence = a.paged.sequences[index];
  const int64_t position = sequence.past + (row - sequence.row);
  const int64_t block = a.paged.blocks[sequence.first_block + position / kKvPageTokens], slot = position % kKvPageTokens;
  const PageHead<std::byte> p = HeadOf(l, a.cache.base + block * a.cache.block_bytes, head);
  const float* k = a.k + row * a.k_stride + head * a.shape.head_dim;
  const float* v = a.v + row * a.v_stride + head * a.shape.v_head_dim;
  if constexpr (kKv == KvType::kI8) AppendI8(a.shape, l, p, slot, k, v, lane);
  else if constexpr (kKv == KvType::kF16) AppendFloat<uint16_t>(a.shape, l, p, slot, k, v, lane);
  else AppendFloat<float>(a.shape, l, p, slot, k, v, lane);
}

// Blocks of a row.
inline unsigned AppendBlocks(const KvAppendArgs& a) { return static_cast<unsigned>((a.shape.kv_heads + kAppendWarps - 1) / kAppendWarps); }

template <KvType kKv>
__global__ void __launch_bounds__(kAppendWarps* kWarp) AppendKernel(KvAppendArgs a, KvLayout l) {
  WaitForPrevious();
  const int64_t head = int64_t{blockIdx.y} * kAppendWarps + threadIdx.x / kWarp;
  if (head < a.shape.kv_heads) AppendHead<kKv>(a, l, blockIdx.x, head, threadIdx.x % kWarp);
}

}  // namespace hasten::cuda
