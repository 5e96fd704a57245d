// Stop strings over a stream of text pieces.
#include "runtime/engine/text_stream.h"

#include <algorithm>

namespace hasten {
namespace {

// Length of the longest end of `text` that is a proper start of `stop`.
size_t PartialMatch(const std::string& text, const std::string& stop) {
  for (size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n)
    if (text.compare(text.size() - n, n, stop, 0, n) == 0) return n;
  return 0;
}

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, bool skip_special, std::vector<std::string> stops)
    : decoder_(tokenizer, skip_special), stops_(std::move(stops)) {
  std::erase(stops_, "");
}

Result<std::string> TextStream::Push(int32_t token) {
  if (stopped_) return std::string();
  HST_ASSIGN_OR_RETURN(std::string text, decoder_.Push(token));
  return Release(std::move(text), false);
}

Result<std::string> TextStream::Finish() {
  if (stopped_) return std::string();
  HST_ASSIGN_OR_RETURN(std::string text, decoder_.Finish());
  return Release(std::move(text), true);
}

std::string TextStream::Release(std::string text, bool end) {
  held_ += text;
  size_t first = std::string::npos, hold = 0;
  for (const std::string& stop : stops_) {
    first = std::min(first, held_.find(stop));
    hold = std::max(hold, PartialMatch(held_, stop));
  }
  stopped_ = first != std::string::npos;
  const size_t release = stopped_ ? first : end ? held_.size() : held_.size() - hold;
  std::string out = held_.substr(0, release);
  held_.erase(0, stopped_ ? std::string::npos : release);
  return out;
}

}  // namespace hasten
