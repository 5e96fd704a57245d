// tokenizer.json to the packed form: added tokens, chat settings, and the frame.
#include "compiler/tokenizer/import.h"

#include <algorithm>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include "compiler/tokenizer/json_reader.h"
#include "compiler/tokenizer/model.h"
#include "compiler/tokenizer/steps.h"
#include "runtime/engine/tokenizer/tokenizer.h"
#include "runtime/engine/tokenizer/unicode.h"

namespace hasten {
namespace {

using namespace tokimport;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using flatbuffers::Vector;

// As the largest public tokenizer.json has 35 MB.
constexpr size_t kMaxJson = 256u << 20;

Result<nlohmann::json> Parse(std::string_view text, std::string_view what) {
  if (text.size() > kMaxJson) return BadInput(what, ": ", text.size(), " bytes, at most ", kMaxJson);
  if (!tok::IsValidUtf8(text)) return BadInput(what, ": is not UTF-8");
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    return BadInput(what, ": ", e.what());
  }
}

struct Added {
  uint32_t id;
  std::string content;
  bool single_word, lstrip, rstrip, normalized, special;
};

// Ids are those of the vocabulary, or follow it in order, whatever the file
// says: that is what the package does (it only warns).
Result<std::vector<Added>> ReadAdded(const Node& list, const Model& model) {
  std::vector<Added> out;
  if (list.is_null()) return out;
  HST_RETURN_IF_ERROR(list.NeedArray());
  const auto vocab_count = static_cast<uint32_t>(model.kind == tokfb::ModelKind::Unigram ? model.pieces.size() : model.ids.size());
  std::unordered_map<std::string, size_t> index;
  std::optional<uint32_t> largest;
  for (size_t i = 0; i < list.size(); ++i) {
    const Node node = list.At(i);
    HST_RETURN_IF_ERROR(node.NeedObject());
    Added a{};
    HST_ASSIGN_OR_RETURN(a.content, node.Get("content").Text());
    HST_ASSIGN_OR_RETURN(a.single_word, node.Get("single_word").Flag());
    HST_ASSIGN_OR_RETURN(a.lstrip, node.Get("lstrip").Flag());
    HST_ASSIGN_OR_RETURN(a.rstrip, node.Get("rstrip").Flag());
    HST_ASSIGN_OR_RETURN(a.normalized, node.Get("normalized").Flag());
    HST_ASSIGN_OR_RETURN(a.special, node.Get("special").Flag());
    if (a.content.empty()) continue;
    const auto known = model.ids.find(a.content);
    const auto before = index.find(a.content);
    if (before != index.end()) a.id = out[before->second].id;
    else if (known != model.ids.end()) a.id = known->second;
    else a.id = largest && (*largest >= vocab_count || vocab_count == 0) ? *largest + 1 : vocab_count;
    if (a.id >= tok::kMaxVocab) return node.Error("would have id ", a.id, ", must be below ", tok::kMaxVocab);
    largest = std::max(largest.value_or(0), a.id);
    if (before != index.end()) {
      out[before->second] = std::move(a);
    } else {
      index.emplace(a.content, out.size());
      out.push_back(std::move(a));
    }
  }
  return out;
}

Offset<Vector<Offset<tokfb::Step>>> PackSteps(const std::vector<Step>& steps, FlatBufferBuilder& out) {
  std::vector<Offset<tokfb::Step>> packed;
  for (const Step& s : steps) {
    const auto text = out.CreateString(s.text);
    const auto content = out.CreateString(s.content);
    const auto map = s.charsmap.empty()
                         ? Offset<Vector<uint8_t>>()
                         : out.CreateVector(reinterpret_cast<const uint8_t*>(s.charsmap.data()), s.charsmap.size());
    tokfb::StepBuilder b(out);
    b.add_kind(s.kind);
    b.add_text(text);
    b.add_text_is_regex(s.text_is_regex);
    b.add_content(content);
    b.add_behavior(s.behavior);
    b.add_invert(s.invert);
    b.add_character(s.character);
    b.add_scheme(s.scheme);
    b.add_split(s.split);
    b.add_count(s.count);
    b.add_stop(s.stop);
    b.add_left(s.left);
    b.add_right(s.right);
    b.add_individual(s.individual);
    b.add_add_prefix_space(s.add_prefix_space);
    b.add_use_regex(s.use_regex);
    b.add_clean_text(s.clean_text);
    b.add_chinese(s.chinese);
    b.add_strip_accents(s.strip_accents);
    b.add_lowercase(s.lowercase);
    b.add_cleanup(s.cleanup);
    b.add_charsmap(map);
    packed.push_back(b.Finish());
  }
  return out.CreateVector(packed);
}

Offset<Vector<Offset<tokfb::TemplatePiece>>> PackTemplate(const std::vector<TemplatePiece>& pieces, FlatBufferBuilder& out) {
  std::vector<Offset<tokfb::TemplatePiece>> packed;
  for (const TemplatePiece& p : pieces) {
    const auto ids = out.CreateVector(p.ids);
    packed.push_back(tokfb::CreateTemplatePiece(out, p.kind, ids));
  }
  return out.CreateVector(packed);
}

// "<s>" or {"content": "<s>", ...}; null when not given.
Result<std::optional<std::string>> ReadToken(const Node& node) {
  if (node.is_null()) return std::optional<std::string>();
  if (node.json().is_object()) return ReadToken(node.Get("content"));
  HST_ASSIGN_OR_RETURN(std::string text, node.Text());
  return std::optional<std::string>(std::move(text));
}

Result<std::vector<std::pair<std::string, std::string>>> ReadTemplates(const Node& node, std::string_view jinja) {
  std::vector<std::pair<std::string, std::string>> out;
  if (!jinja.empty()) {
    if (!tok::IsValidUtf8(jinja)) return BadInput("chat_template.jinja: is not UTF-8");
    out.emplace_back("default", jinja);
  }
  if (node.json().is_array()) {
    for (size_t i = 0; i < node.size(); ++i) {
      HST_ASSIGN_OR_RETURN(std::string name, node.At(i).Get("name").Text());
      HST_ASSIGN_OR_RETURN(std::string source, node.At(i).Get("template").Text());
      if (name == "default" && !jinja.empty()) continue;
      out.emplace_back(std::move(name), std::move(source));
    }
  } else if (!node.is_null() && jinja.empty()) {
    HST_ASSIGN_OR_RETURN(std::string source, node.Text());
    out.emplace_back("default", std::move(source));
  }
  std::stable_partition(out.begin(), out.end(), [](const auto& t) { return t.first == "default"; });
  return out;
}

Result<Offset<tokfb::Chat>> PackChat(const Node& config, std::string_view jinja, FlatBufferBuilder& out) {
  HST_ASSIGN_OR_RETURN(const auto templates, ReadTemplates(config.Get("chat_template"), jinja));
  std::vector<Offset<tokfb::NamedTemplate>> packed;
  for (const auto& [name, source] : templates) {
    const auto packed_name = out.CreateString(name);
    const auto packed_source = out.CreateString(source);
    packed.push_back(tokfb::CreateNamedTemplate(out, packed_name, packed_source));
  }
  const auto list = out.CreateVector(packed);
  Offset<flatbuffers::String> tokens[4];
  const char* const names[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
  for (int i = 0; i < 4; ++i) {
    HST_ASSIGN_OR_RETURN(const auto token, ReadToken(config.Get(names[i])));
    if (token) tokens[i] = out.CreateString(*token);
  }
  HST_ASSIGN_OR_RETURN(const bool add_bos, config.Get("add_bos_token").Flag(false));
  HST_ASSIGN_OR_RETURN(const bool add_eos, config.Get("add_eos_token").Flag(false));
  HST_ASSIGN_OR_RETURN(const bool clean_up, config.Get("clean_up_tokenization_spaces").Flag(false));
  return tokfb::CreateChat(out, list, tokens[0], tokens[1], tokens[2], tokens[3], add_bos, add_eos, clean_up);
}

Result<std::vector<uint8_t>> Import(const nlohmann::json& json, const nlohmann::json& config, std::string_view jinja) {
  const Node root(json, "");
  if (!json.is_object()) return BadInput("tokenizer.json: must hold an object");
  HST_ASSIGN_OR_RETURN(const std::string version, root.Get("version").Text("1.0"));
  if (version != "1.0") return root.Get("version").Refuse("\"", version, "\" is not supported, only \"1.0\"");
  HST_ASSIGN_OR_RETURN(const Model model, ImportModel(root.Get("model")));
  HST_ASSIGN_OR_RETURN(const auto normalizer, ImportNormalizer(root.Get("normalizer")));
  HST_ASSIGN_OR_RETURN(const auto pre_tokenizer, ImportPreTokenizer(root.Get("pre_tokenizer")));
  HST_ASSIGN_OR_RETURN(const auto decoder, ImportDecoder(root.Get("decoder")));
  HST_ASSIGN_OR_RETURN(const auto templates, ImportPostProcessor(root.Get("post_processor")));
  HST_ASSIGN_OR_RETURN(const auto added, ReadAdded(root.Get("added_tokens"), model));

  FlatBufferBuilder out(1 << 20);
  std::vector<Offset<tokfb::AddedToken>> packed_added;
  for (const Added& a : added) {
    const auto content = out.CreateString(a.content);
    packed_added.push_back(
        tokfb::CreateAddedToken(out, a.id, content, a.single_word, a.lstrip, a.rstrip, a.normalized, a.special));
  }
  const auto added_list = out.CreateVector(packed_added);
  const auto normalizer_list = PackSteps(normalizer, out);
  const auto pre_tokenizer_list = PackSteps(pre_tokenizer, out);
  const auto decoder_list = PackSteps(decoder, out);
  const auto single = PackTemplate(templates.single, out);
  const auto pair = PackTemplate(templates.pair, out);
  HST_ASSIGN_OR_RETURN(const auto chat, PackChat(Node(config, ""), jinja, out));
  const auto packed_model = PackModel(model, out);
  const bool has_decoder = !root.Get("decoder").is_null();
  out.Finish(tokfb::CreateTokenizer(out, packed_model, normalizer_list, pre_tokenizer_list, decoder_list, has_decoder,
                                    added_list, single, pair, chat),
             tokfb::TokenizerIdentifier());
  return std::vector<uint8_t>(out.GetBufferPointer(), out.GetBufferPointer() + out.GetSize());
}

}  // namespace

Result<std::vector<uint8_t>> ImportTokenizer(std::string_view tokenizer_json, std::string_view tokenizer_config_json,
                                             std::string_view chat_template_jinja) {
  HST_ASSIGN_OR_RETURN(const nlohmann::json json, Parse(tokenizer_json, "tokenizer.json"));
  nlohmann::json config;
  if (!tokenizer_config_json.empty()) {
    HST_ASSIGN_OR_RETURN(config, Parse(tokenizer_config_json, "tokenizer_config.json"));
    if (!config.is_object()) return BadInput("tokenizer_config.json: must hold an object");
  }
  auto packed = Import(json, config, chat_template_jinja);
  if (!packed.ok()) return std::move(packed).status().Annotate("tokenizer");
  // What does not open would fail at the user's: patterns compile here or never.
  auto opened = Tokenizer::Open(*packed);
  if (!opened.ok()) return std::move(opened).status();
  return packed;
}

}  // namespace hasten
