// Opening of a model, and the models that need little code: WordPiece and
// WordLevel. BPE and Unigram have files of their own.
#include "runtime/engine/tokenizer/model.h"

#include <algorithm>

#include "runtime/engine/tokenizer/unicode.h"
#include "runtime/format/tokenizer_generated.h"

namespace hasten::tok {

using tokfb::ModelKind;

bool WordCache::Get(std::string_view piece, uint64_t hash, std::vector<int32_t>& out) const {
  if (slots_.empty() || piece.size() > kMaxPiece) return false;
  const Slot& slot = slots_[hash % kSlots];
  if (slot.hash != hash || slot.piece != piece) return false;
  out.insert(out.end(), slot.ids.begin(), slot.ids.end());
  return true;
}

void WordCache::Put(std::string_view piece, uint64_t hash, std::span<const int32_t> ids) {
  if (piece.size() > kMaxPiece || ids.size() > kMaxIds) return;
  if (slots_.empty()) slots_.resize(kSlots);
  Slot& slot = slots_[hash % kSlots];
  slot.hash = hash;
  slot.piece.assign(piece);
  slot.ids.assign(ids.begin(), ids.end());
}

Result<Model> Model::Make(const tokfb::Model& packed) {
  HST_ASSIGN_OR_RETURN(VocabView vocab, VocabView::Make(*packed.vocab()));
  Model m(vocab);
  m.kind_ = packed.kind();
  m.unk_id_ = packed.unk_id();
  m.unk_missing_ = packed.unk_missing();
  m.fuse_unk_ = packed.fuse_unk();
  m.ignore_merges_ = packed.ignore_merges();
  m.max_chars_ = packed.max_chars();
  m.prefix_ = packed.subword_prefix() ? packed.subword_prefix()->str() : "";
  m.suffix_ = packed.word_suffix() ? packed.word_suffix()->str() : "";
  if (m.unk_id_ < -1 || (m.unk_id_ >= 0 && !vocab.Has(static_cast<uint32_t>(m.unk_id_))))
    return BadInput("tokenizer: unknown token ", m.unk_id_, " is not in the vocabulary of ", vocab.size());
  if (packed.byte_fallback()) {
    constexpr char kHex[] = "0123456789ABCDEF";
    for (int b = 0; b < 256; ++b) m.byte_ids_.push_back(vocab.Find(StrCat("<0x", kHex[b >> 4], kHex[b & 15], ">")));
  }
  switch (m.kind_) {
    case ModelKind::Bpe: {
      HST_ASSIGN_OR_RETURN(m.merges_, MergeView::Make(packed, vocab.size()));
      if (m.prefix_.empty() && m.suffix_.empty())
        for (uint32_t c = 0; c < 0x200; ++c) m.char_ids_.push_back(vocab.Find(ToUtf8(c)));
      return m;
    }
    case ModelKind::WordPiece:
    case ModelKind::Unigram: {
      if (!packed.trie()) return BadInput("tokenizer: the model has no trie");
      HST_ASSIGN_OR_RETURN(m.trie_, TrieView::Make(*packed.trie(), vocab.size()));
      m.prefix_node_ = m.trie_.Walk(m.prefix_);
      if (m.kind_ == ModelKind::WordPiece) return m;
      const auto* scores = packed.scores();
      if (!scores || scores->size() != vocab.size())
        return BadInput("tokenizer: ", scores ? scores->size() : 0, " scores for a vocabulary of ", vocab.size());
      m.scores_ = {scores->data(), scores->size()};
      const double lowest = m.scores_.empty() ? 0 : *std::min_element(m.scores_.begin(), m.scores_.end());
      m.unk_score_ = lowest - 10.0;  // sentencepiece kUnkPenalty
      return m;
    }
    case ModelKind::WordLevel: return m;
  }
  return BadInput("tokenizer: unknown model kind ", static_cast<int>(m.kind_));
}

Status Model::Unknown(std::vector<int32_t>& ids) const {
  if (unk_id_ < 0) return BadInput("tokenizer: the text has a token that is not in the vocabulary, which has no unknown token");
  ids.push_back(unk_id_);
  return {};
}

Status Model::Encode(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const {
  switch (kind_) {
    case ModelKind::Bpe: return Bpe(piece, scratch, ids);
    case ModelKind::WordPiece: return WordPiece(piece, ids);
    case ModelKind::Unigram: return Unigram(piece, scratch, ids);
    case ModelKind::WordLevel: return WordLevel(piece, ids);
  }
  return Internal("tokenizer: unknown model kind");
}

Status Model::WordLevel(std::string_view piece, std::vector<int32_t>& ids) const {
  const int32_t id = vocab_.Find(piece);
  if (id < 0) return Unknown(ids);
  ids.push_back(id);
  return {};
}

// Longest match first; a word with any part unknown is one unknown token.
Status Model::WordPiece(std::string_view piece, std::vector<int32_t>& ids) const {
  if (CountChars(piece) > max_chars_) return Unknown(ids);
  const size_t first = ids.size();
  for (size_t at = 0; at < piece.size();) {
    uint32_t node = at > 0 ? prefix_node_ : 0;
    int32_t best = -1;
    size_t best_end = at;
    if (at == 0 || node != 0 || prefix_.empty()) {
      for (size_t i = at; i < piece.size(); ++i) {
        node = trie_.Child(node, static_cast<uint8_t>(piece[i]));
        if (node == 0) break;
        if (trie_.Value(node) >= 0) best = trie_.Value(node), best_end = i + 1;
      }
    }
    if (best < 0) {
      ids.resize(first);
      return Unknown(ids);
    }
    ids.push_back(best);
    at = best_end;
  }
  return {};
}

}  // namespace hasten::tok
