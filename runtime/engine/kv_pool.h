// The paged KV cache: blocks of 64 tokens, all layers of a token side by side,
// handed out from one bounded pool and shared between forked sequences until
// one of them writes. Knows nothing of programs or kernels beyond the size of a
// layer's page (kernels/attention/contract.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/memory.h"
#include "runtime/kernels/attention/contract.h"

namespace hasten {

class KvPool {
 public:
  // Room for `tokens` tokens (rounded up to blocks) of `layers`. kResource when
  // the system has no address space for it; memory is used as tokens come.
  static Result<KvPool> Create(std::span<const AttentionShape> layers, int64_t tokens);

  int64_t blocks() const { return static_cast<int64_t>(references_.size()); }
  int64_t free_blocks() const { return static_cast<int64_t>(free_.size()); }
  uint64_t block_bytes() const { return block_bytes_; }

  // One sequence's cache. Moved, never copied: Fork shares.
  struct Sequence {
    int64_t length = 0;                           // tokens
    std::vector<int32_t> blocks;                  // position p in blocks[p / 64]
    std::vector<std::vector<std::byte*>> pages;   // [layer][block]
  };
  Sequence NewSequence() const;

  // Blocks that Reserve(s, tokens) would take from the free list.
  int64_t BlocksNeeded(const Sequence& s, int64_t tokens) const;
  // Makes positions [length, length + tokens) writable: takes blocks, and copies
  // a shared one that would be written. False, with nothing changed, when the
  // pool has too few free blocks.
  bool Reserve(Sequence& s, int64_t tokens);
  // Keeps the first `length` tokens (at most s.length), gives the rest back.
  void Truncate(Sequence& s, int64_t length);
  // Another sequence with the same tokens; blocks are shared.
  Sequence Fork(const Sequence& s);

 private:
  int32_t Take();
  void Release(int32_t block);
  void SetBlock(Sequence& s, size_t at, int32_t block) const;
  std::byte* BlockAt(int32_t block) const { return memory_.data() + static_cast<uint64_t>(block) * block_bytes_; }

  Pages memory_;
  uint64_t block_bytes_ = 0;
  std::vector<uint64_t> layer_offset_;  // within a block
  std::vector<int32_t> references_;     // by block
  std::vector<int32_t> free_;           // a stack: the block freed last is warm
};

}  // namespace hasten
