// One function a component: reads its options, with the defaults that the
// `tokenizers` package takes when one is absent.
#include "compiler/tokenizer/steps.h"

#include <functional>

namespace hasten::tokimport {
namespace {

using tokfb::Behavior;
using tokfb::PrependScheme;
using tokfb::StepKind;
using Steps = std::vector<Step>;
using ImportOne = Status (*)(const Node& node, const std::string& type, Step& step);

constexpr int kMaxDepth = 16;
constexpr size_t kMaxSteps = 256;

// Appends the steps of a component, walking into Sequences.
Status Flatten(const Node& node, std::string_view list_key, ImportOne import_one, int depth, Steps& out) {
  if (node.is_null()) return {};
  HST_RETURN_IF_ERROR(node.NeedObject());
  HST_ASSIGN_OR_RETURN(const std::string type, node.Get("type").Text());
  if (type == "Sequence") {
    if (depth >= kMaxDepth) return node.Refuse("nests Sequences more than ", kMaxDepth, " deep");
    const Node list = node.Get(list_key);
    HST_RETURN_IF_ERROR(list.NeedArray());
    for (size_t i = 0; i < list.size(); ++i) {
      HST_RETURN_IF_ERROR(list.At(i).NeedObject());
      HST_RETURN_IF_ERROR(Flatten(list.At(i), list_key, import_one, depth + 1, out));
    }
    return {};
  }
  if (out.size() >= kMaxSteps) return node.Refuse("is one component too many, at most ", kMaxSteps);
  Step step;
  HST_RETURN_IF_ERROR(import_one(node, type, step));
  out.push_back(std::move(step));
  return {};
}

Status NotSupported(const Node& node, const std::string& type) {
  return node.Get("type").Refuse("\"", type, "\" is not supported");
}

// {"String": "..."} or {"Regex": "..."}.
Status ReadPattern(const Node& node, Step& step) {
  HST_RETURN_IF_ERROR(node.NeedObject());
  step.text_is_regex = !node.Get("Regex").is_null();
  HST_ASSIGN_OR_RETURN(step.text, node.Get(step.text_is_regex ? "Regex" : "String").Text());
  return {};
}

Status ReadReplace(const Node& node, Step& step) {
  step.kind = StepKind::Replace;
  HST_RETURN_IF_ERROR(ReadPattern(node.Get("pattern"), step));
  HST_ASSIGN_OR_RETURN(step.content, node.Get("content").Text());
  return {};
}

Result<Behavior> ReadBehavior(const Node& node, const char* fallback) {
  HST_ASSIGN_OR_RETURN(const std::string name,
                       node.Text(fallback ? std::optional<std::string>(fallback) : std::nullopt));
  for (const Behavior b : tokfb::EnumValuesBehavior())
    if (name == tokfb::EnumNameBehavior(b)) return b;
  return node.Refuse("\"", name, "\" is not supported");
}

Status ReadMetaspace(const Node& node, Step& step) {
  step.kind = StepKind::Metaspace;
  HST_ASSIGN_OR_RETURN(step.character, node.Get("replacement").Character());
  const Node scheme = node.Get("prepend_scheme");
  HST_ASSIGN_OR_RETURN(const std::string name, scheme.Text("always"));
  if (name == "always") step.scheme = PrependScheme::Always;
  else if (name == "first") step.scheme = PrependScheme::First;
  else if (name == "never") step.scheme = PrependScheme::Never;
  else return scheme.Refuse("\"", name, "\" is not supported");
  // The form before prepend_scheme existed.
  const Node add = node.Get("add_prefix_space");
  HST_ASSIGN_OR_RETURN(const bool prefix, add.Flag(true));
  if (!prefix && !scheme.is_null() && step.scheme != PrependScheme::Never)
    return add.Error("is false, but prepend_scheme is \"", name, "\"");
  if (!prefix) step.scheme = PrependScheme::Never;
  HST_ASSIGN_OR_RETURN(step.split, node.Get("split").Flag(true));
  return {};
}

// RFC 4648 base64, as precompiled_charsmap is written.
Result<std::string> Base64(const Node& node) {
  HST_ASSIGN_OR_RETURN(const std::string text, node.Text());
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    if (c == '=') break;
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return node.Error("is not base64");
    bits = bits << 6 | static_cast<uint32_t>(value);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<char>(bits >> have & 0xFF));
    }
  }
  return out;
}

Status NormalizerStep(const Node& node, const std::string& type, Step& step) {
  const std::pair<const char*, StepKind> plain[] = {
      {"NFC", StepKind::Nfc}, {"NFD", StepKind::Nfd}, {"NFKC", StepKind::Nfkc}, {"NFKD", StepKind::Nfkd},
      {"Lowercase", StepKind::Lowercase}, {"StripAccents", StepKind::StripAccents}, {"Nmt", StepKind::Nmt},
      {"ByteLevel", StepKind::ByteLevel}};
  for (const auto& [name, kind] : plain) {
    if (type != name) continue;
    step.kind = kind;
    return {};
  }
  if (type == "Strip") {
    step.kind = StepKind::Strip;
    HST_ASSIGN_OR_RETURN(step.left, node.Get("strip_left").Flag());
    HST_ASSIGN_OR_RETURN(step.right, node.Get("strip_right").Flag());
  } else if (type == "Replace") {
    return ReadReplace(node, step);
  } else if (type == "Prepend") {
    step.kind = StepKind::Prepend;
    HST_ASSIGN_OR_RETURN(step.text, node.Get("prepend").Text());
  } else if (type == "BertNormalizer") {
    step.kind = StepKind::Bert;
    HST_ASSIGN_OR_RETURN(step.clean_text, node.Get("clean_text").Flag());
    HST_ASSIGN_OR_RETURN(step.chinese, node.Get("handle_chinese_chars").Flag());
    HST_ASSIGN_OR_RETURN(step.lowercase, node.Get("lowercase").Flag());
    HST_ASSIGN_OR_RETURN(step.strip_accents, node.Get("strip_accents").Flag(step.lowercase));
  } else if (type == "Precompiled") {
    step.kind = StepKind::Precompiled;
    HST_ASSIGN_OR_RETURN(step.charsmap, Base64(node.Get("precompiled_charsmap")));
  } else {
    return NotSupported(node, type);
  }
  return {};
}

Status PreTokenizerStep(const Node& node, const std::string& type, Step& step) {
  if (type == "ByteLevel") {
    step.kind = StepKind::ByteLevel;
    HST_ASSIGN_OR_RETURN(step.add_prefix_space, node.Get("add_prefix_space").Flag());
    HST_ASSIGN_OR_RETURN(step.use_regex, node.Get("use_regex").Flag(true));
  } else if (type == "Split") {
    step.kind = StepKind::Split;
    HST_RETURN_IF_ERROR(ReadPattern(node.Get("pattern"), step));
    HST_ASSIGN_OR_RETURN(step.behavior, ReadBehavior(node.Get("behavior"), nullptr));
    HST_ASSIGN_OR_RETURN(step.invert, node.Get("invert").Flag());
  } else if (type == "Digits") {
    step.kind = StepKind::Digits;
    HST_ASSIGN_OR_RETURN(step.individual, node.Get("individual_digits").Flag());
  } else if (type == "Punctuation") {
    step.kind = StepKind::Punctuation;
    HST_ASSIGN_OR_RETURN(step.behavior, ReadBehavior(node.Get("behavior"), "Isolated"));
  } else if (type == "Whitespace") {
    step.kind = StepKind::Whitespace;
  } else if (type == "WhitespaceSplit") {
    step.kind = StepKind::WhitespaceSplit;
  } else if (type == "Metaspace") {
    return ReadMetaspace(node, step);
  } else if (type == "BertPreTokenizer") {
    step.kind = StepKind::BertSplit;
  } else if (type == "CharDelimiterSplit") {
    step.kind = StepKind::CharDelimiterSplit;
    HST_ASSIGN_OR_RETURN(step.character, node.Get("delimiter").Character());
  } else if (type == "FixedLength") {
    step.kind = StepKind::FixedLength;
    HST_ASSIGN_OR_RETURN(step.count, node.Get("length").Count(5));
    if (step.count == 0) return node.Get("length").Error("must be at least 1");
  } else {
    return NotSupported(node, type);
  }
  return {};
}

Status DecoderStep(const Node& node, const std::string& type, Step& step) {
  if (type == "ByteLevel") {
    step.kind = StepKind::ByteLevel;
  } else if (type == "Metaspace") {
    return ReadMetaspace(node, step);
  } else if (type == "Replace") {
    return ReadReplace(node, step);
  } else if (type == "ByteFallback") {
    step.kind = StepKind::ByteFallback;
  } else if (type == "Fuse") {
    step.kind = StepKind::Fuse;
  } else if (type == "Strip") {
    step.kind = StepKind::Strip;
    HST_ASSIGN_OR_RETURN(step.character, node.Get("content").Character());
    HST_ASSIGN_OR_RETURN(step.count, node.Get("start").Count());
    HST_ASSIGN_OR_RETURN(step.stop, node.Get("stop").Count());
  } else if (type == "WordPiece") {
    step.kind = StepKind::WordPiece;
    HST_ASSIGN_OR_RETURN(step.text, node.Get("prefix").Text());
    HST_ASSIGN_OR_RETURN(step.cleanup, node.Get("cleanup").Flag());
  } else if (type == "BPEDecoder") {
    step.kind = StepKind::BpeSuffix;
    HST_ASSIGN_OR_RETURN(step.text, node.Get("suffix").Text());
  } else if (type == "CTC") {
    step.kind = StepKind::Ctc;
    HST_ASSIGN_OR_RETURN(step.text, node.Get("pad_token").Text());
    HST_ASSIGN_OR_RETURN(step.content, node.Get("word_delimiter_token").Text());
    HST_ASSIGN_OR_RETURN(step.cleanup, node.Get("cleanup").Flag());
  } else {
    return NotSupported(node, type);
  }
  return {};
}

Result<Steps> Import(const Node& node, std::string_view list_key, ImportOne import_one) {
  Steps steps;
  HST_RETURN_IF_ERROR(Flatten(node, list_key, import_one, 0, steps));
  return steps;
}

}  // namespace

Result<Steps> ImportNormalizer(const Node& node) { return Import(node, "normalizers", NormalizerStep); }
Result<Steps> ImportPreTokenizer(const Node& node) { return Import(node, "pretokenizers", PreTokenizerStep); }
Result<Steps> ImportDecoder(const Node& node) { return Import(node, "decoders", DecoderStep); }

}  // namespace hasten::tokimport
