// Generated tokens to text as it may be shown: what the stream decoder completes
// (runtime/engine/tokenizer), minus what could still become a stop string.
#pragma once

#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/tokenizer/tokenizer.h"

namespace hasten {

class TextStream {
 public:
  // The tokenizer outlives the stream. Empty stop strings are ignored.
  TextStream(const Tokenizer& tokenizer, bool skip_special, std::vector<std::string> stops);

  // The text that this token releases. Once a stop string has appeared, stopped()
  // is true, the text before it has been released, and nothing follows.
  Result<std::string> Push(int32_t token);
  // What was held back; the end of the text.
  Result<std::string> Finish();
  bool stopped() const { return stopped_; }

 private:
  std::string Release(std::string text, bool end);

  StreamDecoder decoder_;
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace hasten
