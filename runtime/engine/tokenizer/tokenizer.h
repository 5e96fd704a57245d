// The tokenizer of an artifact: text to token ids and back, equal to what the
// `tokenizers` package does with the tokenizer.json it was packed from.
// Truncation and padding settings are not part of it: the engine decides those.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten {

struct EncodeOptions {
  bool add_special_tokens = true;  // what the post-processor puts around (BOS, CLS, SEP)
  bool parse_special = true;       // "<|im_end|>" in the text is that token, not its letters
};

// What tokenizer_config.json says besides tokenizer.json.
struct ChatConfig {
  struct Named {
    std::string name, source;
  };
  std::vector<Named> templates;  // "default" first when there is one; empty: no chat template
  std::optional<std::string> bos_token, eos_token, unk_token, pad_token;
  bool add_bos_token = false, add_eos_token = false, clean_up_tokenization_spaces = false;
};

class Tokenizer {
 public:
  // `packed` is a tokenizer section (runtime/format/tokenizer.fbs). It is read in
  // place and must stay alive and unchanged; it need not be trusted.
  static Result<std::unique_ptr<Tokenizer>> Open(std::span<const uint8_t> packed);
  ~Tokenizer();

  // All const members may be called from any number of threads at once.

  // Token ids of a text. Ill-formed UTF-8 counts as U+FFFD. Fails when a pattern
  // of the tokenizer needs unreasonably many steps, or the text has a character
  // that the vocabulary can not express and no unknown token stands in for.
  Result<std::vector<int32_t>> Encode(std::string_view utf8, const EncodeOptions& options = {}) const;
  // As Encode, for a pair of texts (encoders: question and answer).
  Result<std::vector<int32_t>> EncodePair(std::string_view first, std::string_view second,
                                          const EncodeOptions& options = {}) const;

  // The text of a token list, always valid UTF-8. Ids that no token has are skipped.
  Result<std::string> Decode(std::span<const int32_t> ids, bool skip_special_tokens = true) const;

  // One more than the largest id, added tokens included. Ids in between may be unused.
  int32_t vocab_size() const;
  // The token as it stands in the vocabulary (byte-level tokens in their printable form).
  std::optional<std::string> IdToToken(int32_t id) const;
  std::optional<int32_t> TokenToId(std::string_view token) const;
  bool IsSpecial(int32_t id) const;
  const ChatConfig& chat() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Turns a stream of tokens into a stream of text, holding back what the next
// token can still change: a character split across tokens, or context such as
// the leading space that some decoders drop. The concatenation of all that Push
// and Finish return is Decode of all ids; only where the ids spell ill-formed
// UTF-8 for long may the number of U+FFFD differ. Not thread-safe.
class StreamDecoder {
 public:
  // The tokenizer must outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true)
      : tokenizer_(tokenizer), skip_special_(skip_special_tokens) {}

  // The text that this token completes; may be empty.
  Result<std::string> Push(int32_t id);
  // What is still held back. Afterwards the decoder is as new.
  Result<std::string> Finish();

 private:
  Result<std::string> Emit(size_t count);
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::vector<int32_t> window_;  // context tokens, then tokens held back
  size_t context_ = 0;           // how many of the window are context
  std::string context_text_;     // what the context alone decodes to
};

}  // namespace hasten
