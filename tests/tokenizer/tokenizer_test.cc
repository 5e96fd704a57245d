// Encoding and decoding against recorded results of the `tokenizers` package
// (fixtures/, written by make_fixtures.py), and streaming.
#include "runtime/engine/tokenizer/tokenizer.h"

#include <random>
#include <thread>

#include "tests/tokenizer/fixtures.h"

namespace hasten {
namespace {

using nlohmann::json;

class Family : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    packed_ = ImportFixture(GetParam());
    auto opened = Tokenizer::Open(packed_);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    tokenizer_ = *std::move(opened);
    expected_ = json::parse(ReadFixture("expected.json")).at(GetParam());
  }
  std::vector<uint8_t> packed_;
  std::unique_ptr<Tokenizer> tokenizer_;
  json expected_;
};

INSTANTIATE_TEST_SUITE_P(All, Family, testing::ValuesIn(kFamilies), [](const auto& info) { return std::string(info.param); });

TEST_P(Family, EncodesAndDecodesAsRecorded) {
  for (const json& c : expected_.at("cases")) {
    const auto text = c.at("text").get<std::string>();
    const auto ids = c.at("ids").get<std::vector<int32_t>>();
    EXPECT_EQ(tokenizer_->Encode(text).value(), ids) << text;
    EXPECT_EQ(tokenizer_->Encode(text, {.add_special_tokens = false}).value(), c.at("raw").get<std::vector<int32_t>>()) << text;
    EXPECT_EQ(tokenizer_->Decode(ids).value(), c.at("decoded").get<std::string>()) << text;
    EXPECT_EQ(tokenizer_->Decode(ids, false).value(), c.at("kept").get<std::string>()) << text;
  }
  EXPECT_EQ(tokenizer_->EncodePair("first text", "second").value(), expected_.at("pair").get<std::vector<int32_t>>());
  EXPECT_EQ(tokenizer_->vocab_size(), expected_.at("vocab_size").get<int32_t>());
}

TEST_P(Family, StreamsWhatDecodeSays) {
  std::mt19937 rng(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<int32_t> ids(rng() % 20);
    for (int32_t& id : ids) id = static_cast<int32_t>(rng() % static_cast<uint32_t>(tokenizer_->vocab_size()));
    const std::string whole = tokenizer_->Decode(ids).value();
    if (whole.find("\xEF\xBF\xBD") != std::string::npos) continue;  // ill-formed bytes: the count of U+FFFD may differ
    StreamDecoder stream(*tokenizer_);
    std::string text;
    for (const int32_t id : ids) text += stream.Push(id).value();
    text += stream.Finish().value();
    EXPECT_EQ(text, whole);
  }
}

TEST_P(Family, KnowsItsTokens) {
  for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
    const auto token = tokenizer_->IdToToken(id);
    if (!token) continue;
    EXPECT_EQ(tokenizer_->TokenToId(*token), id) << *token;
  }
  EXPECT_FALSE(tokenizer_->IdToToken(-1));
  EXPECT_FALSE(tokenizer_->IdToToken(tokenizer_->vocab_size()));
  EXPECT_FALSE(tokenizer_->TokenToId("no such token, surely"));
  EXPECT_EQ(tokenizer_->Decode(std::vector<int32_t>{-5, 1 << 30}).value(), tokenizer_->Decode({}).value());
}

TEST_P(Family, EncodesFromManyThreads) {
  std::vector<std::thread> threads;
  const auto cases = expected_.at("cases");
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (const json& c : cases)
        EXPECT_EQ(tokenizer_->Encode(c.at("text").get<std::string>()).value(), c.at("ids").get<std::vector<int32_t>>());
    });
  }
  for (std::thread& t : threads) t.join();
}

class Llama : public testing::Test {
 protected:
  std::vector<uint8_t> packed_ = ImportFixture("llama3");
  std::unique_ptr<Tokenizer> tokenizer_ = Tokenizer::Open(packed_).value();
};

TEST_F(Llama, IllFormedUtf8CountsAsReplacementCharacters) {
  // One U+FFFD for each maximal ill-formed part (Unicode 15, table 3-8).
  const std::pair<std::string, std::string> cases[] = {
      {"a\xFFz", "a\xEF\xBF\xBDz"},
      {"\xE4\xB8", "\xEF\xBF\xBD"},
      {"\xF0\x9F\x98x", "\xEF\xBF\xBDx"},
      {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}};
  for (const auto& [bytes, text] : cases) EXPECT_EQ(tokenizer_->Encode(bytes).value(), tokenizer_->Encode(text).value()) << text;
}

TEST_F(Llama, SpecialTokensInTextAreTextWhenAsked) {
  const int32_t eot = tokenizer_->TokenToId("<|eot_id|>").value();
  const std::string text = "x<|eot_id|>y";
  const auto parsed = tokenizer_->Encode(text).value();
  const auto plain = tokenizer_->Encode(text, {.parse_special = false}).value();
  EXPECT_NE(std::find(parsed.begin(), parsed.end(), eot), parsed.end());
  EXPECT_EQ(std::find(plain.begin(), plain.end(), eot), plain.end());
  EXPECT_EQ(tokenizer_->Decode(plain).value(), text);
  EXPECT_EQ(tokenizer_->Decode(parsed).value(), "xy");
  EXPECT_TRUE(tokenizer_->IsSpecial(eot));
  EXPECT_FALSE(tokenizer_->IsSpecial(plain.back()));
}

TEST_F(Llama, StreamHoldsBackSplitCharacters) {
  // "日" is three bytes; as byte tokens each alone is no text.
  StreamDecoder stream(*tokenizer_);
  std::string text;
  std::vector<std::string> parts;
  for (const char* byte : {"æ", "Ĺ", "¥"}) parts.push_back(stream.Push(tokenizer_->TokenToId(byte).value()).value());
  EXPECT_EQ(parts, (std::vector<std::string>{"", "", "日"}));
  EXPECT_EQ(stream.Push(tokenizer_->TokenToId("æ").value()).value(), "");
  EXPECT_EQ(stream.Finish().value(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.Finish().value(), "");
}

TEST_F(Llama, StreamLetsGoOfBytesThatNeverBecomeText) {
  const int32_t lead = tokenizer_->TokenToId("æ").value();
  StreamDecoder stream(*tokenizer_);
  size_t seen = 0;
  for (int i = 0; i < 1000; ++i) seen += stream.Push(lead).value().size() / 3;
  EXPECT_GE(seen, 900u);
  std::string rest;
  for (const char* byte : {"æ", "Ĺ", "¥"}) rest += stream.Push(tokenizer_->TokenToId(byte).value()).value();
  EXPECT_TRUE(rest.ends_with("日"));
}

TEST(Mistral, StreamKeepsTheSpaceThatDecodeDropsOnlyAtTheStart) {
  const auto packed = ImportFixture("mistral");
  const auto tokenizer = Tokenizer::Open(packed).value();
  const auto ids = tokenizer->Encode("the and the", {.add_special_tokens = false}).value();
  StreamDecoder stream(*tokenizer);
  std::string text;
  for (const int32_t id : ids) text += stream.Push(id).value();
  EXPECT_EQ(text + stream.Finish().value(), "the and the");
}

}  // namespace
}  // namespace hasten
