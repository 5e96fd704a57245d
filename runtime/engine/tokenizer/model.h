// The models that turn a piece of text into token ids: BPE (Sennrich et al.
// 2016), WordPiece (Schuster & Nakajima 2012), Unigram (Kudo 2018), WordLevel.
// A model is immutable; what a call needs to scribble on is its Scratch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/tokenizer/packed.h"

namespace hasten::tokfb {
enum class ModelKind : uint8_t;
}  // namespace hasten::tokfb

namespace hasten::tok {

// Ids of pieces seen before, bounded: a fixed number of slots, the newest wins.
class WordCache {
 public:
  // Appends the ids of a cached piece to out; false when it is not there.
  bool Get(std::string_view piece, uint64_t hash, std::vector<int32_t>& out) const;
  void Put(std::string_view piece, uint64_t hash, std::span<const int32_t> ids);

 private:
  static constexpr size_t kSlots = 8192, kMaxPiece = 64, kMaxIds = 64;
  struct Slot {
    uint64_t hash = 0;
    std::string piece;
    std::vector<int32_t> ids;
  };
  std::vector<Slot> slots_;
};

struct Scratch {
  struct Symbol {
    uint32_t id;
    int32_t previous, next;
    bool alive;
  };
  struct Candidate {
    int32_t rank, at;
    uint32_t result;
  };
  struct PathNode {
    double score;
    int32_t from, id;
  };
  WordCache cache;
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::vector<PathNode> path;
  std::string buffer;
};

class Model {
 public:
  static Result<Model> Make(const tokfb::Model& packed);
  const VocabView& vocab() const { return vocab_; }
  // Appends the ids of a non-empty piece of valid UTF-8.
  Status Encode(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;

 private:
  explicit Model(VocabView vocab) : vocab_(vocab) {}
  Status Bpe(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;
  Status BpeSymbols(std::string_view piece, Scratch& scratch) const;
  void BpeMerge(Scratch& scratch) const;
  Status WordPiece(std::string_view piece, std::vector<int32_t>& ids) const;
  Status Unigram(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;
  Status WordLevel(std::string_view piece, std::vector<int32_t>& ids) const;
  Status Unknown(std::vector<int32_t>& ids) const;
  // Ids of <0xNN> for every byte of s; false, and nothing appended, when one is missing.
  template <class Add>
  bool Bytes(std::string_view s, Add&& add) const;

  tokfb::ModelKind kind_{};
  VocabView vocab_;
  MergeView merges_;
  TrieView trie_;
  std::span<const double> scores_;
  std::vector<int32_t> byte_ids_;  // of <0xNN>; empty without byte_fallback
  std::vector<int32_t> char_ids_;  // Bpe: ids of single characters below U+0200, when nothing decorates them
  std::string prefix_, suffix_;
  double unk_score_ = 0;
  int32_t unk_id_ = -1;
  uint32_t max_chars_ = 0;
  uint32_t prefix_node_ = 0;  // WordPiece: where the trie continues a word
  bool unk_missing_ = false, fuse_unk_ = false, ignore_merges_ = false;
};

}  // namespace hasten::tok
