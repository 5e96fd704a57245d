// Import: what is refused says where, and the same input gives the same bytes.
#include "compiler/tokenizer/import.h"

#include "tests/tokenizer/fixtures.h"

namespace hasten {
namespace {

using nlohmann::json;
using testing::Test;

json Base() { return json::parse(ReadFixture("llama3.json")); }

std::string ErrorOf(const json& j, std::string_view config = "") {
  const auto packed = ImportTokenizer(j.dump(), config);
  return packed.ok() ? "" : packed.status().message();
}

TEST(Import, IsDeterministic) {
  const std::string text = ReadFixture("bert.json");
  EXPECT_EQ(ImportTokenizer(text, "").value(), ImportTokenizer(text, "").value());
}

TEST(Import, NamesWhatItDoesNotSupport) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"pre_tokenizer": {"type": "Foo"}})", "pre_tokenizer.type \"Foo\" is not supported"},
      {R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, {"type": "UnicodeScripts"}]}})",
       "pre_tokenizer.pretokenizers[1].type \"UnicodeScripts\" is not supported"},
      {R"({"normalizer": {"type": "Bar"}})", "normalizer.type \"Bar\" is not supported"},
      {R"({"decoder": {"type": "Sequence", "decoders": [{"type": "Baz"}]}})", "decoder.decoders[0].type \"Baz\" is not supported"},
      {R"({"post_processor": {"type": "Qux"}})", "post_processor.type \"Qux\" is not supported"},
      {R"({"model": {"type": "Magic"}})", "model.type \"Magic\" is not supported"},
      {R"({"model": {"dropout": 0.1}})", "model.dropout of 0.1 is not supported"},
      {R"({"version": "2.0"})", "version \"2.0\" is not supported"},
      {R"({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false}})", "does not compile"},
      {R"({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Sideways", "invert": false}})",
       "pre_tokenizer.behavior \"Sideways\" is not supported"},
      {R"({"pre_tokenizer": {"type": "Digits"}})", "pre_tokenizer.individual_digits must be true or false, is absent or null"},
      {R"({"pre_tokenizer": {"type": "Metaspace", "replacement": "ab"}})", "pre_tokenizer.replacement must be a string of one character"},
      {R"({"model": {"merges": [["a", "nothing like this"]]}})", "model.merges[0] needs token \"nothing like this\""},
      {R"({"model": {"merges": ["a b c"]}})", "model.merges[0] must be two parts"},
      {R"({"model": {"vocab": {"a": 0, "b": 0}, "merges": []}})", "gives id 0 to both"},
      {R"({"model": {"vocab": {"a": -1}, "merges": []}})", "must be a whole number"},
      {R"({"model": {"vocab": {"a": 4000000000}, "merges": []}})", "has id 4000000000"},
      {R"({"added_tokens": [{"content": "x"}]})", "added_tokens[0].single_word must be true or false"}};
  for (const auto& [patch, message] : cases) {
    json j = Base();
    j.merge_patch(json::parse(patch));
    EXPECT_NE(ErrorOf(j).find(message), std::string::npos) << patch << "\n" << ErrorOf(j);
  }
}

TEST(Import, RefusesWhatIsNoTokenizer) {
  for (const char* text : {"", "{", "[]", "null", "{}", "{\"model\": 3}", "\xFF\xFE", "{\"model\": {\"type\": \"BPE\"}}"}) {
    const auto packed = ImportTokenizer(text, "");
    ASSERT_FALSE(packed.ok()) << text;
    EXPECT_EQ(ExitStatus(packed.status().code()), 3) << text;
  }
  // Deep nesting is neither a crash nor a long wait.
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_FALSE(ImportTokenizer(deep, "").ok());
  json nested = {{"type", "NFC"}};
  for (int i = 0; i < 40; ++i) nested = {{"type", "Sequence"}, {"normalizers", json::array({nested})}};
  json j = Base();
  j["normalizer"] = nested;
  EXPECT_NE(ErrorOf(j).find("nests Sequences more than"), std::string::npos);
}

TEST(Import, ReadsTheConfig) {
  const auto packed = ImportTokenizer(ReadFixture("llama3.json"), R"({
      "bos_token": {"content": "<|begin_of_text|>", "lstrip": false}, "eos_token": "<|eot_id|>", "pad_token": null,
      "add_bos_token": true, "clean_up_tokenization_spaces": false,
      "chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]})");
  ASSERT_TRUE(packed.ok()) << packed.status().message();
  const auto tokenizer = Tokenizer::Open(*packed).value();
  const ChatConfig& chat = tokenizer->chat();
  EXPECT_EQ(chat.bos_token, "<|begin_of_text|>");
  EXPECT_EQ(chat.eos_token, "<|eot_id|>");
  EXPECT_FALSE(chat.pad_token);
  EXPECT_TRUE(chat.add_bos_token);
  ASSERT_EQ(chat.templates.size(), 2u);
  EXPECT_EQ(chat.templates[0].source, "D");
  EXPECT_EQ(chat.templates[1].name, "tool_use");
  // A chat_template.jinja beside the config wins.
  const auto other = ImportTokenizer(ReadFixture("llama3.json"), R"({"chat_template": "old"})", "new").value();
  EXPECT_EQ(Tokenizer::Open(other).value()->chat().templates.at(0).source, "new");
  EXPECT_NE(ErrorOf(Base(), R"({"eos_token": 3})").find("eos_token must be a string"), std::string::npos);
  EXPECT_NE(ErrorOf(Base(), "[]").find("tokenizer_config.json"), std::string::npos);
}

TEST(Import, NumbersAddedTokensAsThePackageDoes) {
  json j = Base();
  const int next = static_cast<int>(j["model"]["vocab"].size());
  j["added_tokens"] = json::array();
  for (const char* name : {"<one>", "<two>"})
    j["added_tokens"].push_back({{"id", 7}, {"content", name}, {"single_word", false}, {"lstrip", false}, {"rstrip", false}, {"normalized", false}, {"special", true}});
  j["post_processor"] = nullptr;
  const auto packed = ImportTokenizer(j.dump(), "").value();
  const auto tokenizer = Tokenizer::Open(packed).value();
  EXPECT_EQ(tokenizer->TokenToId("<one>"), next);
  EXPECT_EQ(tokenizer->TokenToId("<two>"), next + 1);
}

}  // namespace
}  // namespace hasten
