// Added and special tokens: cut out of the text before the model sees it, as the
// `tokenizers` package's AddedVocabulary does (leftmost, longest first; first on
// the raw text, then, for `normalized` ones, on the normalized text).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/tokenizer/normalizer.h"
#include "runtime/engine/tokenizer/packed.h"

namespace hasten::tokfb {
struct Tokenizer;
}  // namespace hasten::tokfb

namespace hasten::tok {

struct AddedToken {
  uint32_t id = 0;
  std::string content;
  bool single_word = false, lstrip = false, rstrip = false, normalized = false, special = false;
};

// A part of the text; token is -1 for ordinary text.
struct Section {
  uint32_t begin, end;
  int32_t token;
};

class AddedTokens {
 public:
  static Result<AddedTokens> Make(const tokfb::Tokenizer& packed, const Normalizer& normalizer);
  const std::vector<AddedToken>& tokens() const { return tokens_; }
  const AddedToken* ById(uint32_t id) const;
  const AddedToken* ByContent(std::string_view content) const;

  // Cuts text at the tokens whose `normalized` is as given. Special tokens are
  // left in the text when parse_special is false.
  void Find(std::string_view text, bool normalized, bool parse_special, std::vector<Section>& out) const;

 private:
  struct Matcher {
    TrieArrays trie;
    std::vector<bool> starts;  // by first byte
  };
  static Matcher MakeMatcher(std::vector<std::pair<std::string, int32_t>> entries);
  std::vector<AddedToken> tokens_;
  std::unordered_map<uint32_t, size_t> by_id_;
  std::unordered_map<std::string, size_t> by_content_;
  Matcher raw_, normalized_;
};

}  // namespace hasten::tok
