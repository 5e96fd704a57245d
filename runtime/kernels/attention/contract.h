// attention: softmax(scale * Q K^T + mask) V over a paged KV cache, for a ragged
// batch of sequences, and the append of new keys and values to the cache.
// Numerics: docs/numerics.md, "attention": splits of 256 keys at absolute
// positions, blocks of 64, INT8 / fp16 / fp32 cache; bits depend on a row's own
// sequence only. GQA: query head h reads KV head h / (heads / kv_heads).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/kernels/kernel.h"

namespace hasten {

enum class KvType : uint8_t { kI8 = 0, kF16 = 1, kF32 = 2 };  // written into artifacts

inline constexpr int64_t kKvPageTokens = 64;

// The shape of one layer's attention.
struct AttentionShape {
  int64_t heads = 0, kv_heads = 0;
  int64_t head_dim = 0;      // of Q and K
  int64_t v_head_dim = 0;
  float scale = 0;           // multiplies Q K^T
  bool causal = true;        // false: every key of the sequence is seen (encoders)
  int64_t window = 0;        // keys k > q - window are seen; 0: no window
  float softcap = 0;         // cap * tanh(score / cap); 0: none
  KvType kv = KvType::kI8;
  int64_t ahead = 0;         // not causal: keys k < q + ahead are seen; 0: all of them
  const float* slopes = nullptr;  // [heads] ALiBi: score - slope * |q - k|; null: none. Positions are below kAlibiPositions
};

// Distances below this are exact in fp32, so that a key's bias has one rounding.
inline constexpr int64_t kAlibiPositions = int64_t{1} << 24;

// Bytes of one page: kKvPageTokens tokens of all KV heads of one layer, keys and
// values with their scales, a multiple of 64.
size_t KvPageBytes(const AttentionShape& shape);

// One sequence of the ragged batch, as one layer sees it.
struct SequenceView {
  int64_t row = 0;        // its first row in q, k, v, out
  int64_t rows = 0;       // new tokens in this step
  int64_t past = 0;       // tokens in the cache before them; row r is position past + r
  std::byte* const* pages = nullptr;  // this layer's pages, position p in page p / kKvPageTokens
};

// The same for a device, whose memory the arrays are in; all layers share them.
struct PagedSequence {
  int32_t row, rows, past;
  int32_t first_block;     // position p is in block blocks[first_block + p / kKvPageTokens]
};
// Query rows of one sequence that a device kernel takes together (attention/cuda/plan.h).
struct PagedTile {
  int32_t sequence, first, rows;   // rows [first, first + rows) of the sequence's step
};
struct PagedStep {
  const PagedSequence* sequences = nullptr;
  const int32_t* row_sequence = nullptr;   // [rows]: which sequence each token row belongs to
  const int32_t* blocks = nullptr;
  const PagedTile* tiles = nullptr;
  int64_t rows = 0, tile_count = 0;         // no tile has more than rows - tile_count + 1 rows
  int64_t most_keys = 0;    // no sequence has more, its new tokens included
};
// One layer's cache on a device: its page of block b begins at base + b * block_bytes.
struct PagedCache {
  std::byte* base = nullptr;
  int64_t block_bytes = 0;
};

struct KvAppendArgs {
  AttentionShape shape;
  std::span<const SequenceView> sequences;
  const float* k = nullptr;  // [M][k_stride], kv_heads * head_dim values a row
  const float* v = nullptr;  // [M][v_stride], kv_heads * v_head_dim
  int64_t k_stride = 0, v_stride = 0;
  PagedStep paged;           // on a device, in place of `sequences`
  PagedCache cache;
};

struct AttentionArgs {
  AttentionShape shape;
  std::span<const SequenceView> sequences;
  const float* q = nullptr;  // [M][q_stride], heads * head_dim
  int64_t q_stride = 0;
  float* out = nullptr;      // [M][out_stride], heads * v_head_dim
  int64_t out_stride = 0;
  // Where few tiles would leave threads idle (decoding): splits of the keys are tiles of
  // their own, and leave their sums here. 64-byte aligned, as ShareSplits sizes it; its
  // first `shared_counters` bytes are zero before each run. Null: whole tiles. The same bits.
  std::byte* shared = nullptr;
  int64_t shared_counters = 0, shared_slot = 0;
  PagedStep paged;           // on a device, in place of `sequences`
  PagedCache cache;
};

// Whether the splits of these arguments' keys are to be shared out among so many threads:
// the bytes that `shared` needs, 0 if not. Sets shared_counters and shared_slot.
size_t ShareSplits(AttentionArgs& args, int threads);

std::span<const Kernel<KvAppendArgs>> KvAppendKernels();
std::span<const Kernel<AttentionArgs>> AttentionKernels();

// Reads one token's key [kv_heads * head_dim] and value [kv_heads * v_head_dim]
// back from its page as fp32 (export of a sequence's state; INT8 is dequantized).
void KvReadToken(const AttentionShape& shape, const std::byte* page, int64_t slot, float* k, float* v);

// The same entry in its exact form, KvSavedTokenBytes(shape) bytes, for every
// cache type. Restoring is false, with the entry's content unspecified, when the
// bytes are not what kv_append could have made (INT8 scales and codes).
size_t KvSavedTokenBytes(const AttentionShape& shape);
void KvSaveToken(const AttentionShape& shape, const std::byte* page, int64_t slot, std::byte* out);
bool KvRestoreToken(const AttentionShape& shape, std::byte* page, int64_t slot, const std::byte* in);

}  // namespace hasten
