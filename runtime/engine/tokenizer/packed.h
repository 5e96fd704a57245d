// Read-only views of the packed tables (runtime/format/tokenizer.fbs) and the
// hashes that writer and reader share. A view is checked once, when made;
// afterwards every look-up stays inside the buffer whatever the bytes say.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::tokfb {
struct Vocab;
struct Model;
struct Merge;
struct Trie;
}  // namespace hasten::tokfb

namespace hasten::tok {

// 64-bit hash of a byte string: FNV-1a with a final mix (MurmurHash3's fmix64),
// fixed for ever: it is part of the format.
inline uint64_t MixHash(uint64_t h) {
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ULL;
  return h ^ h >> 33;
}
inline uint64_t HashBytes(std::string_view s) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return MixHash(h);
}
inline uint64_t HashPair(uint32_t a, uint32_t b) { return MixHash(static_cast<uint64_t>(a) << 32 | b); }

// No vocabulary of a language model comes near; bounds what an artifact can make us allocate.
constexpr uint32_t kMaxVocab = 1u << 24;

// Builds the slot table for `count` entries: at least twice as many slots, a power of two.
template <class HashOf>
std::vector<uint32_t> BuildSlots(uint32_t count, HashOf&& hash_of) {
  uint64_t size = 16;
  while (size < 2ull * count) size *= 2;
  std::vector<uint32_t> slots(size, 0);
  for (uint32_t i = 0; i < count; ++i) {
    uint64_t h = 0;
    if (!hash_of(i, &h)) continue;
    uint64_t at = h & (size - 1);
    while (slots[at] != 0) at = (at + 1) & (size - 1);
    slots[at] = i + 1;
  }
  return slots;
}

class VocabView {
 public:
  static Result<VocabView> Make(const tokfb::Vocab& packed);
  uint32_t size() const { return size_; }  // one more than the largest id
  bool Has(uint32_t id) const;
  std::string_view Piece(uint32_t id) const {
    return {bytes_ + offsets_[id], static_cast<size_t>(offsets_[id + 1] - offsets_[id])};
  }
  // The id of a piece, -1 when it is not in the vocabulary.
  int32_t Find(std::string_view piece) const;

 private:
  const char* bytes_ = nullptr;
  const uint32_t* offsets_ = nullptr;
  std::span<const uint32_t> holes_;
  std::span<const uint32_t> slots_;
  uint32_t size_ = 0;
};

class MergeView {
 public:
  MergeView() = default;
  static Result<MergeView> Make(const tokfb::Model& packed, uint32_t vocab_size);
  // The rank of a pair (smaller merges first), -1 when the pair does not merge.
  int32_t Rank(uint32_t left, uint32_t right) const;
  uint32_t ResultOf(int32_t rank) const;

 private:
  const tokfb::Merge* merges_ = nullptr;
  std::span<const uint32_t> slots_;
};

// A trie in breadth-first arrays; a node is an index, 0 the root.
class TrieView {
 public:
  TrieView() = default;
  TrieView(std::span<const uint8_t> labels, std::span<const uint32_t> first_child, std::span<const int32_t> values)
      : labels_(labels), first_child_(first_child), values_(values) {}
  static Result<TrieView> Make(const tokfb::Trie& packed, uint32_t vocab_size);
  bool empty() const { return values_.empty(); }
  // The child of `node` by `label`, 0 when there is none (the root is nobody's child).
  uint32_t Child(uint32_t node, uint8_t label) const;
  int32_t Value(uint32_t node) const { return values_[node]; }
  // The node reached by all of s, 0 when there is none.
  uint32_t Walk(std::string_view s) const;

 private:
  std::span<const uint8_t> labels_;
  std::span<const uint32_t> first_child_;
  std::span<const int32_t> values_;
};

// The arrays of a trie; Build takes (key, value) pairs, the first of equal keys wins.
struct TrieArrays {
  std::vector<uint8_t> labels;
  std::vector<uint32_t> first_child;
  std::vector<int32_t> values;
  static TrieArrays Build(std::vector<std::pair<std::string, int32_t>> entries);
  TrieView view() const { return {labels, first_child, values}; }
};

}  // namespace hasten::tok
