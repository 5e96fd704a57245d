// Decoders of tokenizer.json: from the pieces of a token list back to text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/tokenizer/normalizer.h"
#include "runtime/engine/tokenizer/regex.h"

namespace hasten::tok {

class Decoder {
 public:
  // Without a decoder (present == false) pieces are joined by single spaces.
  static Result<Decoder> Make(const Normalizer::Steps* steps, bool present);
  Result<std::string> Run(std::vector<std::string> pieces) const;

 private:
  struct Step {
    tokfb::StepKind kind{};
    std::optional<Pattern> pattern;
    std::string text, content, character;
    uint32_t start = 0, stop = 0;
    bool cleanup = false, prepended = false;
  };
  static Result<Step> MakeStep(const tokfb::Step& packed);
  static Status RunStep(const Step& step, std::vector<std::string>& pieces);
  std::vector<Step> steps_;
  bool present_ = false;
};

}  // namespace hasten::tok
