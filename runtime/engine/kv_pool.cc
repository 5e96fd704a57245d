// Block accounting. Reference counts say how many sequences hold a block; a
// block with more than one holder is read-only.
#include "runtime/engine/kv_pool.h"

#include <algorithm>
#include <cstring>

namespace hasten {
namespace {

constexpr int64_t kMaxBlocks = 1 << 26;

int64_t BlocksFor(int64_t tokens) { return (tokens + kKvPageTokens - 1) / kKvPageTokens; }

}  // namespace

Checked KvPool::BlockBytes(std::span<const AttentionShape> layers) {
  Checked block = 0;
  for (const AttentionShape& shape : layers) block = block + KvPageBytes(shape);
  return block;
}

Status KvPool::Plan(std::span<const AttentionShape> layers, int64_t tokens, int64_t spare, uint64_t* bytes) {
  Checked block = 0;
  for (const AttentionShape& shape : layers) {
    if (block.ok()) layer_offset_.push_back(block.value());
    block = block + KvPageBytes(shape);
  }
  const int64_t blocks = BlocksFor(tokens);
  const Checked total = block * static_cast<uint64_t>(blocks + spare);
  if (blocks > kMaxBlocks || !total.ok()) return ResourceError("a KV cache of ", tokens, " tokens is too large");
  block_bytes_ = block.value();
  *bytes = total.value();
  references_.assign(static_cast<size_t>(blocks), 0);
  for (int64_t b = blocks; b > 0; --b) free_.push_back(static_cast<int32_t>(b - 1));
  return {};
}

Result<KvPool> KvPool::Create(std::span<const AttentionShape> layers, int64_t tokens) {
  KvPool pool;
  uint64_t bytes = 0;
  HST_RETURN_IF_ERROR(pool.Plan(layers, tokens, 0, &bytes));
  HST_ASSIGN_OR_RETURN(pool.memory_, Pages::Allocate(bytes, "the KV cache"));
  pool.base_ = pool.memory_.data();
  return pool;
}

Result<KvPool> KvPool::CreateOn(Device& device, Queue& queue, std::span<const AttentionShape> layers, int64_t tokens) {
  KvPool pool;
  uint64_t bytes = 0;
  HST_RETURN_IF_ERROR(pool.Plan(layers, tokens, 1, &bytes));
  HST_ASSIGN_OR_RETURN(pool.device_memory_, device.Allocate(bytes, "the KV cache"));
  pool.base_ = pool.device_memory_.data();
  pool.queue_ = &queue;
  return pool;
}

void KvPool::CopyBlock(int32_t to, int32_t from) {
  if (queue_) queue_->Copy(BlockAt(to), BlockAt(from), block_bytes_);
  else std::memcpy(BlockAt(to), BlockAt(from), block_bytes_);
}

KvPool::Sequence KvPool::NewSequence() const {
  Sequence s;
  s.pages.resize(layer_offset_.size());
  return s;
}

int32_t KvPool::Take() {
  const int32_t block = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(block)] = 1;
  return block;
}

void KvPool::Release(int32_t block) {
  if (--references_[static_cast<size_t>(block)] == 0) free_.push_back(block);
}

void KvPool::SetBlock(Sequence& s, size_t at, int32_t block) const {
  s.blocks[at] = block;
  for (size_t l = 0; l < layer_offset_.size(); ++l) s.pages[l][at] = BlockAt(block) + layer_offset_[l];
}

int64_t KvPool::BlocksNeeded(const Sequence& s, int64_t tokens) const {
  if (tokens <= 0) return 0;
  const int64_t have = static_cast<int64_t>(s.blocks.size());
  int64_t need = std::max<int64_t>(0, BlocksFor(s.length + tokens) - have);
  // The block that the next token falls into, when another sequence holds it too.
  const size_t at = static_cast<size_t>(s.length / kKvPageTokens);
  if (at < s.blocks.size() && references_[static_cast<size_t>(s.blocks[at])] > 1) ++need;
  return need;
}

bool KvPool::Reserve(Sequence& s, int64_t tokens) {
  if (BlocksNeeded(s, tokens) > free_blocks()) return false;
  if (tokens <= 0) return true;
  const size_t at = static_cast<size_t>(s.length / kKvPageTokens), had = s.blocks.size();
  const size_t need = static_cast<size_t>(BlocksFor(s.length + tokens));
  // Memory first: from here on nothing throws.
  if (need > had) {
    s.blocks.reserve(need);
    for (auto& p : s.pages) p.reserve(need);
  }
  if (at < had && references_[static_cast<size_t>(s.blocks[at])] > 1) {
    const int32_t old = s.blocks[at], own = Take();
    CopyBlock(own, old);
    SetBlock(s, at, own);
    Release(old);
  }
  for (size_t b = had; b < need; ++b) {
    s.blocks.push_back(0);
    for (auto& p : s.pages) p.push_back(nullptr);
    SetBlock(s, b, Take());
  }
  return true;
}

void KvPool::Truncate(Sequence& s, int64_t length) {
  const size_t keep = static_cast<size_t>(BlocksFor(length));
  while (s.blocks.size() > keep) {
    Release(s.blocks.back());
    s.blocks.pop_back();
    for (auto& p : s.pages) p.pop_back();
  }
  s.length = length;
}

KvPool::Sequence KvPool::Fork(const Sequence& s) {
  Sequence f = s;
  f.blocks.resize(static_cast<size_t>(BlocksFor(s.length)));
  for (auto& p : f.pages) p.resize(f.blocks.size());
  for (int32_t b : f.blocks) ++references_[static_cast<size_t>(b)];
  return f;
}

}  // namespace hasten
