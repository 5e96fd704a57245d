// Import of the component lists of tokenizer.json: normalizer, pre_tokenizer,
// decoder and post_processor, with nested Sequences flattened.
#pragma once

#include <memory>
#include <vector>

#include "compiler/tokenizer/json_reader.h"
#include "runtime/format/tokenizer_generated.h"

namespace hasten::tokimport {

// FlatBuffers' object form is not generated, so a step is collected here first.
struct Step {
  tokfb::StepKind kind{};
  std::string text, content, charsmap;
  tokfb::Behavior behavior{};
  tokfb::PrependScheme scheme{};
  uint32_t character = 0, count = 0, stop = 0;
  bool text_is_regex = false, invert = false, split = false, left = false, right = false, individual = false;
  bool add_prefix_space = false, use_regex = false;
  bool clean_text = false, chinese = false, strip_accents = false, lowercase = false, cleanup = false;
};

struct TemplatePiece {
  tokfb::PieceKind kind;
  std::vector<uint32_t> ids;
};

Result<std::vector<Step>> ImportNormalizer(const Node& node);
Result<std::vector<Step>> ImportPreTokenizer(const Node& node);
Result<std::vector<Step>> ImportDecoder(const Node& node);

// The single- and pair-text templates; both empty when nothing is added.
struct Templates {
  std::vector<TemplatePiece> single, pair;
};
Result<Templates> ImportPostProcessor(const Node& node);

}  // namespace hasten::tokimport
