// Pre-tokenizers of tokenizer.json: they cut the normalized text into pieces
// that the model encodes one by one. A list runs in order over all pieces.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/tokenizer/normalizer.h"
#include "runtime/engine/tokenizer/regex.h"

namespace hasten::tokfb {
enum class Behavior : uint8_t;
enum class PrependScheme : uint8_t;
}  // namespace hasten::tokfb

namespace hasten::tok {

// A piece of Pieces::text, [begin, end) in bytes; or, when token >= 0, an added
// token that was cut out before and that nothing touches any more.
struct Piece {
  uint32_t begin, end;
  uint32_t zero;  // as Text::zero, from the piece's begin
  int32_t token;
};

struct Pieces {
  std::string text;
  std::vector<Piece> list;
  std::string_view View(const Piece& p) const { return std::string_view(text).substr(p.begin, p.end - p.begin); }
};

class PreTokenizer {
 public:
  static Result<PreTokenizer> Make(const Normalizer::Steps* steps);
  Status Run(Pieces& pieces) const;

 private:
  struct Step {
    tokfb::StepKind kind{};
    tokfb::Behavior behavior{};
    tokfb::PrependScheme scheme{};
    std::optional<Pattern> pattern;
    std::string character;  // UTF-8 of Metaspace's or CharDelimiterSplit's
    uint32_t count = 0;
    bool invert = false, split = false, individual = false, add_prefix_space = false;
  };
  static Result<Step> MakeStep(const tokfb::Step& packed);
  static Status RunStep(const Step& step, Pieces& pieces);
  std::vector<Step> steps_;
};

}  // namespace hasten::tok
