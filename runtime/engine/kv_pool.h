// The paged KV cache: blocks of 64 tokens, all layers of a token side by side,
// handed out from one bounded pool and shared between forked sequences until
// one of them writes. Knows nothing of programs or kernels beyond the size of a
// layer's page (kernels/attention/contract.h). Nothing here reads the memory, which may
// be a device's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/checked.h"
#include "runtime/base/status.h"
#include "runtime/device/device.h"
#include "runtime/engine/memory.h"
#include "runtime/kernels/attention/contract.h"

namespace hasten {

class KvPool {
 public:
  // Of 64 tokens of all layers; invalid when that is too much to count.
  static Checked BlockBytes(std::span<const AttentionShape> layers);
  // Room for `tokens` tokens (rounded up to blocks) of `layers`. kResource when
  // the system has no address space for it; memory is used as tokens come.
  static Result<KvPool> Create(std::span<const AttentionShape> layers, int64_t tokens);
  // The same in a device's memory, all of it at once, and one block beyond the others for
  // rows that only fill a step up. The queue outlives the pool and copies its blocks.
  static Result<KvPool> CreateOn(Device& device, Queue& queue, std::span<const AttentionShape> layers, int64_t tokens);

  int64_t blocks() const { return static_cast<int64_t>(references_.size()); }
  int64_t free_blocks() const { return static_cast<int64_t>(free_.size()); }
  uint64_t block_bytes() const { return block_bytes_; }
  std::byte* layer_base(size_t layer) const { return base_ + layer_offset_[layer]; }   // of block 0

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
  Status Plan(std::span<const AttentionShape> layers, int64_t tokens, int64_t spare, uint64_t* bytes);
  int32_t Take();
  void Release(int32_t block);
  void SetBlock(Sequence& s, size_t at, int32_t block) const;
  std::byte* BlockAt(int32_t block) const { return base_ + static_cast<uint64_t>(block) * block_bytes_; }
  void CopyBlock(int32_t to, int32_t from);

  Pages memory_;
  DeviceMemory device_memory_;
  Queue* queue_ = nullptr;
  std::byte* base_ = nullptr;           // of one of the two
  uint64_t block_bytes_ = 0;
  std::vector<uint64_t> layer_offset_;  // within a block
  std::vector<int32_t> references_;     // by block
  std::vector<int32_t> free_;           // a stack: the block freed last is warm
};

}  // namespace hasten
