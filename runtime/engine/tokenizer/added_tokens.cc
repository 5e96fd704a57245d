// Added tokens: opening, and the search for them in text.
#include "runtime/engine/tokenizer/added_tokens.h"

#include "runtime/engine/tokenizer/unicode.h"
#include "runtime/format/tokenizer_generated.h"

namespace hasten::tok {
namespace {

constexpr uint32_t kMaxAdded = 1u << 20;

size_t SpacesAtStart(std::string_view s) {
  size_t n = 0;
  while (n < s.size()) {
    int length = 0;
    if (!IsWhitespace(Utf8At(s.data() + n, &length))) break;
    n += static_cast<size_t>(length);
  }
  return n;
}

// Start of the last character of a non-empty text.
size_t LastChar(std::string_view s) {
  size_t i = s.size() - 1;
  while (i > 0 && (static_cast<unsigned char>(s[i]) & 0xC0) == 0x80) --i;
  return i;
}

size_t WithoutSpacesAtEnd(std::string_view s) {
  size_t end = s.size();
  while (end > 0) {
    const size_t last = LastChar(s.substr(0, end));
    int n = 0;
    if (!IsWhitespace(Utf8At(s.data() + last, &n))) break;
    end = last;
  }
  return end;
}

bool IsSingleWord(std::string_view text, size_t begin, size_t end) {
  int n = 0;
  if (begin > 0 && IsWord(Utf8At(text.data() + LastChar(text.substr(0, begin)), &n))) return false;
  return end == text.size() || !IsWord(Utf8At(text.data() + end, &n));
}

}  // namespace

AddedTokens::Matcher AddedTokens::MakeMatcher(std::vector<std::pair<std::string, int32_t>> entries) {
  Matcher m;
  m.starts.assign(256, false);
  std::erase_if(entries, [](const auto& e) { return e.first.empty(); });
  if (entries.empty()) return m;
  for (const auto& e : entries) m.starts[static_cast<uint8_t>(e.first[0])] = true;
  m.trie = TrieArrays::Build(std::move(entries));
  return m;
}

Result<AddedTokens> AddedTokens::Make(const tokfb::Tokenizer& packed, const Normalizer& normalizer) {
  AddedTokens a;
  std::vector<std::pair<std::string, int32_t>> raw, normalized;
  if (packed.added()) {
    if (packed.added()->size() > kMaxAdded)
      return BadInput("tokenizer: ", packed.added()->size(), " added tokens, at most ", kMaxAdded);
    for (const tokfb::AddedToken* p : *packed.added()) {
      AddedToken t{p->id(), p->content()->str(), p->single_word(), p->lstrip(), p->rstrip(), p->normalized(), p->special()};
      if (t.id >= kMaxVocab) return BadInput("tokenizer: added token id ", t.id, ", must be below ", kMaxVocab);
      if (!IsValidUtf8(t.content)) return BadInput("tokenizer: added token ", t.id, " is not UTF-8");
      const auto index = a.tokens_.size();
      a.by_id_[t.id] = index;
      a.by_content_.try_emplace(t.content, index);
      a.tokens_.push_back(std::move(t));
    }
  }
  // Special tokens come first: of two that read the same, the first wins.
  for (const bool special : {true, false}) {
    for (size_t i = 0; i < a.tokens_.size(); ++i) {
      const AddedToken& t = a.tokens_[i];
      if (t.special != special) continue;
      Text text{t.content, 0};
      if (t.normalized) HST_RETURN_IF_ERROR(normalizer.Run(text));
      (t.normalized ? normalized : raw).emplace_back(std::move(text.s), static_cast<int32_t>(i));
    }
  }
  a.raw_ = MakeMatcher(std::move(raw));
  a.normalized_ = MakeMatcher(std::move(normalized));
  return a;
}

const AddedToken* AddedTokens::ById(uint32_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &tokens_[it->second];
}

const AddedToken* AddedTokens::ByContent(std::string_view content) const {
  const auto it = by_content_.find(std::string(content));
  return it == by_content_.end() ? nullptr : &tokens_[it->second];
}

void AddedTokens::Find(std::string_view text, bool normalized, bool parse_special, std::vector<Section>& out) const {
  out.clear();
  const Matcher& matcher = normalized ? normalized_ : raw_;
  const auto section = [&](size_t begin, size_t end, int32_t token) {
    out.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end), token});
  };
  const TrieView trie = matcher.trie.view();
  size_t covered = 0;
  for (size_t at = 0; !trie.empty() && at < text.size();) {
    if (!matcher.starts[static_cast<uint8_t>(text[at])]) {
      ++at;
      continue;
    }
    int32_t found = -1;
    size_t length = 0;
    uint32_t node = 0;
    for (size_t i = at; i < text.size(); ++i) {
      node = trie.Child(node, static_cast<uint8_t>(text[i]));
      if (node == 0) break;
      if (trie.Value(node) >= 0) found = trie.Value(node), length = i + 1 - at;
    }
    if (found < 0) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + length;
    at = end;  // the search goes on after the match, whatever becomes of it
    const AddedToken& token = tokens_[static_cast<size_t>(found)];
    if (!parse_special && token.special) continue;
    if (token.single_word && !IsSingleWord(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(WithoutSpacesAtEnd(text.substr(0, begin)), covered);
    if (token.rstrip) end += SpacesAtStart(text.substr(end));
    if (covered < begin) section(covered, begin, -1);
    section(begin, end, static_cast<int32_t>(token.id));
    covered = end;
  }
  if (covered != text.size() || text.empty()) section(covered, text.size(), -1);
}

}  // namespace hasten::tok
