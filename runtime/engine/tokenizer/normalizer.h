// Normalizers of tokenizer.json: Unicode forms, case, stripping, replacing, and
// SentencePiece's precompiled character maps. A list runs in order.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/tokenizer/regex.h"

namespace flatbuffers {
template <typename T>
struct Offset;
template <typename T>
class Vector;
}  // namespace flatbuffers

namespace hasten::tokfb {
struct Step;
enum class StepKind : uint8_t;
}  // namespace hasten::tokfb

namespace hasten::tok {

// Text under way. `zero` counts its leading bytes that stem from offset 0 of the
// user's text: Metaspace's prepend_scheme "first" asks for exactly that.
struct Text {
  std::string s;
  uint32_t zero = 0;
};

// SentencePiece's precompiled_charsmap: a double-array trie from byte strings to
// replacement text (Kudo & Richardson 2018; darts-clone's unit layout).
class CharsMap {
 public:
  static Result<CharsMap> Make(std::span<const uint8_t> packed);
  // The replacement of the shortest mapped prefix of s, nullopt when none is mapped.
  std::optional<std::string_view> Find(std::string_view s) const;

 private:
  uint32_t Unit(size_t i) const;
  std::span<const uint8_t> units_;
  std::string_view replacements_;
};

class Normalizer {
 public:
  using Steps = flatbuffers::Vector<flatbuffers::Offset<tokfb::Step>>;
  // Null means none. Every step must be a normalizer.
  static Result<Normalizer> Make(const Steps* steps);
  bool empty() const { return steps_.empty(); }
  Status Run(Text& text) const;

 private:
  struct Step {
    tokfb::StepKind kind{};
    std::string content;
    std::optional<Pattern> pattern;
    std::optional<CharsMap> charsmap;
    bool left = false, right = false;
    bool clean_text = false, chinese = false, strip_accents = false, lowercase = false;
  };
  static Status RunStep(const Step& step, Text& text);
  static Status Replace(const Step& step, Text& text);
  static void Precompiled(const CharsMap& map, Text& text);
  std::vector<Step> steps_;
};

enum class Form { kNfc, kNfd, kNfkc, kNfkd };
// Unicode normalization (UAX 15). Code points younger than the version the
// `tokenizers` package implements are left as they are.
void NormalizeUnicode(Form form, Text& text);

// The printable stand-in of a byte in byte-level vocabularies (GPT-2): itself
// where printable in Latin-1, else U+0100 and up in order.
uint32_t ByteToChar(uint8_t byte);
// The inverse, -1 for any other code point.
int CharToByte(uint32_t c);
void AppendByteLevel(std::string& out, std::string_view text);

}  // namespace hasten::tok
