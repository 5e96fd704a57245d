// Byte pair encoding: characters become symbols, then the pair of lowest rank
// merges until none is left. A heap of candidates over a linked list, so a piece
// of n characters costs O(n log n) (ties go to the leftmost pair).
#include <algorithm>

#include "runtime/engine/tokenizer/model.h"
#include "runtime/engine/tokenizer/unicode.h"

namespace hasten::tok {
namespace {

// Heap order: lowest rank, then leftmost, at the front.
bool After(const Scratch::Candidate& a, const Scratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
}

}  // namespace

template <class Add>
bool Model::Bytes(std::string_view s, Add&& add) const {
  if (byte_ids_.empty()) return false;
  for (const char c : s)
    if (byte_ids_[static_cast<uint8_t>(c)] < 0) return false;
  for (const char c : s) add(byte_ids_[static_cast<uint8_t>(c)]);
  return true;
}

Status Model::BpeSymbols(std::string_view piece, Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  symbols.clear();
  const auto add = [&](int32_t id) {
    const auto i = static_cast<int32_t>(symbols.size());
    symbols.push_back({static_cast<uint32_t>(id), i - 1, i + 1, true});
  };
  int pending_unknown = 0;  // unknowns wait: with fuse_unk a run of them is one
  const auto flush = [&] {
    for (; pending_unknown > 0; --pending_unknown) add(unk_id_);
  };
  for (size_t at = 0; at < piece.size();) {
    int n = 0;
    const uint32_t c = Utf8At(piece.data() + at, &n);
    const std::string_view character = piece.substr(at, static_cast<size_t>(n));
    std::string_view s = character;
    const bool first = at == 0;
    at += static_cast<size_t>(n);
    int32_t id = -1;
    if (c < char_ids_.size()) {
      id = char_ids_[c];
    } else {
      if (!prefix_.empty() || !suffix_.empty()) {
        scratch.buffer.clear();
        if (!first) scratch.buffer += prefix_;
        scratch.buffer += character;
        if (at == piece.size()) scratch.buffer += suffix_;
        s = scratch.buffer;
      }
      id = vocab_.Find(s);
    }
    if (id >= 0) {
      flush();
      add(id);
      continue;
    }
    // As in the package: byte tokens do not flush a pending unknown before them.
    if (Bytes(s, add)) continue;
    if (unk_missing_) return BadInput("tokenizer: the unknown token is not in the vocabulary, and the text needs it");
    if (unk_id_ < 0) continue;
    if (!fuse_unk_) flush();
    pending_unknown = 1;
  }
  flush();
  if (!symbols.empty()) symbols.back().next = -1;
  return {};
}

void Model::BpeMerge(Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  heap.clear();
  const auto candidate = [&](int32_t left, int32_t right) {
    const int32_t rank = merges_.Rank(symbols[static_cast<size_t>(left)].id, symbols[static_cast<size_t>(right)].id);
    if (rank >= 0) heap.push_back({rank, left, merges_.ResultOf(rank)});
    return rank >= 0;
  };
  for (int32_t i = 0; i + 1 < static_cast<int32_t>(symbols.size()); ++i) candidate(i, i + 1);
  std::make_heap(heap.begin(), heap.end(), After);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), After);
    const Scratch::Candidate top = heap.back();
    heap.pop_back();
    auto& left = symbols[static_cast<size_t>(top.at)];
    if (!left.alive || left.next < 0) continue;
    auto& right = symbols[static_cast<size_t>(left.next)];
    // Stale when either side has merged since; judged by what the pair gives now.
    const int32_t rank = merges_.Rank(left.id, right.id);
    if (rank < 0 || merges_.ResultOf(rank) != top.result) continue;
    left.id = top.result;
    right.alive = false;
    left.next = right.next;
    if (right.next >= 0) symbols[static_cast<size_t>(right.next)].previous = top.at;
    if (left.previous >= 0 && candidate(left.previous, top.at)) std::push_heap(heap.begin(), heap.end(), After);
    if (left.next >= 0 && candidate(top.at, left.next)) std::push_heap(heap.begin(), heap.end(), After);
  }
}

Status Model::Bpe(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const {
  if (ignore_merges_) {
    if (const int32_t id = vocab_.Find(piece); id >= 0) {
      ids.push_back(id);
      return {};
    }
  }
  const uint64_t hash = HashBytes(piece);
  if (scratch.cache.Get(piece, hash, ids)) return {};
  HST_RETURN_IF_ERROR(BpeSymbols(piece, scratch));
  BpeMerge(scratch);
  const size_t first = ids.size();
  for (const auto& s : scratch.symbols)
    if (s.alive) ids.push_back(static_cast<int32_t>(s.id));
  scratch.cache.Put(piece, hash, std::span<const int32_t>(ids).subspan(first));
  return {};
}

// Unigram: the best path over all segmentations (Viterbi), as sentencepiece's
// unigram_model.cc EncodeOptimized does; a run of unknown characters is one piece.
Status Model::Unigram(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const {
  auto& path = scratch.path;
  path.assign(piece.size() + 1, {0.0, -1, 0});
  const auto relax = [&](size_t from, size_t to, double score, int32_t id) {
    auto& node = path[to];
    const double total = score + path[from].score;
    if (node.from < 0 || total > node.score) node = {total, static_cast<int32_t>(from), id};
  };
  for (size_t at = 0; at < piece.size();) {
    const auto length = static_cast<size_t>(Utf8Length(static_cast<unsigned char>(piece[at])));
    bool single = false;
    uint32_t node = 0;
    for (size_t i = at; i < piece.size(); ++i) {
      node = trie_.Child(node, static_cast<uint8_t>(piece[i]));
      if (node == 0) break;
      const int32_t id = trie_.Value(node);
      if (id < 0) continue;
      relax(at, i + 1, scores_[static_cast<size_t>(id)], id);
      single |= i + 1 - at == length;
    }
    if (!single) {
      if (unk_id_ < 0) return BadInput("tokenizer: the text has an unknown character, and the model no unknown token");
      relax(at, at + length, unk_score_, unk_id_);
    }
    at += length;
  }
  // Walk back, fusing unknown runs, into `symbols` as (begin, end) in reverse.
  auto& cuts = scratch.symbols;
  cuts.clear();
  bool fusing = false;
  for (auto at = static_cast<int32_t>(piece.size()); at > 0;) {
    const auto& node = path[static_cast<size_t>(at)];
    // A hostile vocabulary may hold pieces that end inside a character.
    if (node.from < 0) return BadInput("tokenizer: the vocabulary cuts characters apart");
    const bool unknown = node.id == unk_id_;
    if (unknown && fusing) cuts.back().previous = node.from;
    else cuts.push_back({0, node.from, at, true});
    fusing = unknown;
    at = node.from;
  }
  for (size_t i = cuts.size(); i-- > 0;) {
    const std::string_view s = piece.substr(static_cast<size_t>(cuts[i].previous),
                                            static_cast<size_t>(cuts[i].next - cuts[i].previous));
    const int32_t id = vocab_.Find(s);
    if (id >= 0) ids.push_back(id);
    else if (!Bytes(s, [&](int32_t b) { ids.push_back(b); })) HST_RETURN_IF_ERROR(Unknown(ids));
  }
  return {};
}

}  // namespace hasten::tok
