// StreamDecoder: decodes a short window of tokens again with each new one. Text
// already returned is the decoding of the window's context tokens, so decoders
// that look at neighbours (a dropped leading space, "##" prefixes) see them.
#include "runtime/engine/tokenizer/tokenizer.h"

namespace hasten {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
// A character has at most 4 bytes, so at most 4 byte tokens; what is still not
// text after twice as many will not become text, and all but 3 are let go.
constexpr size_t kMaxHeld = 8, kKeepHeld = 3;
// Tokens without any text are kept as context, but not for ever.
constexpr size_t kMaxWindow = 64;

}  // namespace

// Returns the text of the first `count` held tokens and makes them the context.
Result<std::string> StreamDecoder::Emit(size_t count) {
  const std::span<const int32_t> all(window_);
  HST_ASSIGN_OR_RETURN(const std::string text, tokenizer_.Decode(all.first(context_ + count), skip_special_));
  std::string fresh = text.size() > context_text_.size() ? text.substr(context_text_.size()) : "";
  // When the context itself reads otherwise now, the cut may fall inside a character.
  while (!fresh.empty() && (fresh[0] & 0xC0) == 0x80) fresh.erase(0, 1);
  if (fresh.empty() && window_.size() < kMaxWindow) return fresh;
  window_.erase(window_.begin(), window_.begin() + static_cast<ptrdiff_t>(context_));
  context_ = count;
  HST_ASSIGN_OR_RETURN(context_text_, tokenizer_.Decode(std::span<const int32_t>(window_).first(context_), skip_special_));
  return fresh;
}

Result<std::string> StreamDecoder::Push(int32_t id) {
  // Skipped tokens would only lengthen the window.
  if (!tokenizer_.IdToToken(id) || (skip_special_ && tokenizer_.IsSpecial(id))) return std::string();
  window_.push_back(id);
  const size_t held = window_.size() - context_;
  HST_ASSIGN_OR_RETURN(const std::string text, tokenizer_.Decode(window_, skip_special_));
  if (text.size() > context_text_.size() && !text.ends_with(kReplacement)) return Emit(held);
  return held > kMaxHeld ? Emit(held - kKeepHeld) : std::string();
}

Result<std::string> StreamDecoder::Finish() {
  HST_ASSIGN_OR_RETURN(std::string rest, Emit(window_.size() - context_));
  window_.clear();
  context_ = 0;
  context_text_.clear();
  return rest;
}

}  // namespace hasten
