// How one page of the KV cache is laid out: all KV heads' scales (INT8), then per KV
// head a block of 64 keys, then per KV head a block of 64 values, so that a kernel's
// lanes are keys in Q K^T and value columns in P V, without a shuffle, and one that
// decodes reads the page from its begin to its end.
//   INT8   K  [head_dim up to 4 / 4][64 keys][4]    u8, value + 128 (unsigned: the
//                                                    VNNI dot is unsigned x signed)
//          V  [64 / 4][v_head_dim up to 16][4 keys]  s8
//          scales: of keys [64] fp32, of values [64] fp32
//   fp16,  K  [head_dim][64 keys]
//   fp32   V  [64 keys][v_head_dim up to 16]
// Everything is internal to each including file (static), so that code for one
// instruction set is never linked into another's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/simd_scalar.h"

namespace hasten {

struct KvLayout {
  int64_t v_cols = 0;      // v_head_dim up to a multiple of 16
  int64_t k_bytes = 0;     // of one head's keys in a page
  int64_t v_bytes = 0;
  int64_t scale_bytes = 0;
  int64_t k_begin = 0, v_begin = 0;  // of the regions, which hold the heads side by side
  int64_t page_bytes = 0;
};

HST_MATH int64_t RoundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

HST_MATH int64_t KvElementBytes(KvType kv) {
  switch (kv) {
    case KvType::kI8: return 1;
    case KvType::kF16: return 2;
    case KvType::kF32: return 4;
  }
  return 0;
}

HST_MATH KvLayout LayoutOf(const AttentionShape& s) {
  KvLayout l;
  const int64_t element = KvElementBytes(s.kv);
  l.v_cols = RoundUp(s.v_head_dim, 16);
  l.k_bytes = (s.kv == KvType::kI8 ? RoundUp(s.head_dim, 4) : s.head_dim) * kKvPageTokens * element;
  l.v_bytes = l.v_cols * kKvPageTokens * element;
  l.scale_bytes = s.kv == KvType::kI8 ? 2 * kKvPageTokens * static_cast<int64_t>(sizeof(float)) : 0;
  l.k_begin = l.scale_bytes * s.kv_heads;
  l.v_begin = l.k_begin + l.k_bytes * s.kv_heads;
  l.page_bytes = l.v_begin + l.v_bytes * s.kv_heads;
  return l;
}

// One head's part of a page. T is std::byte or const std::byte.
template <class T>
struct PageHead {
  T* k;
  T* v;
  T* scales;  // INT8 only: keys', then values'
};
template <class T>
HST_MATH PageHead<T> HeadOf(const KvLayout& l, T* page, int64_t kv_head) {
  return {page + l.k_begin + kv_head * l.k_bytes, page + l.v_begin + kv_head * l.v_bytes, page + kv_head * l.scale_bytes};
}

// Where element d of token `slot` stands, in elements.
HST_MATH int64_t KeyIndexI8(int64_t d, int64_t slot) { return (d / 4 * kKvPageTokens + slot) * 4 + d % 4; }
HST_MATH int64_t ValueIndexI8(const KvLayout& l, int64_t d, int64_t slot) {
  return (slot / 4 * l.v_cols + d) * 4 + slot % 4;
}
HST_MATH int64_t KeyIndex(int64_t d, int64_t slot) { return d * kKvPageTokens + slot; }
HST_MATH int64_t ValueIndex(const KvLayout& l, int64_t d, int64_t slot) { return slot * l.v_cols + d; }

}  // namespace hasten
