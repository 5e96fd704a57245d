// What strangers can do: damaged sections, hostile patterns, hostile templates.
// Nothing may crash, hang or read out of bounds; the asan run is the judge.
#include <chrono>
#include <random>

#include "runtime/engine/chat/chat_template.h"
#include "tests/sanitized.h"
#include "tests/tokenizer/fixtures.h"

namespace hasten {
namespace {

using nlohmann::json;

// A heap copy of exactly these bytes, aligned, so that an overread is seen.
struct Copy {
  explicit Copy(std::span<const uint8_t> bytes) : words(std::max<size_t>(1, (bytes.size() + 7) / 8)), size(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(words.data()));
  }
  std::span<const uint8_t> span() const { return {reinterpret_cast<const uint8_t*>(words.data()), size}; }
  std::vector<uint64_t> words;
  size_t size;
};

void Use(std::span<const uint8_t> packed) {
  const auto tokenizer = Tokenizer::Open(packed);
  if (!tokenizer.ok()) return;
  const auto ids = (*tokenizer)->Encode("Hello, wörld! 日本 <s> 123\n\n  the and\xFF");
  if (ids.ok()) (void)(*tokenizer)->Decode(*ids).ok();
  for (const int32_t id : {0, 1, 255, 400, 1000000, -1}) (void)(*tokenizer)->IdToToken(id);
  (void)(*tokenizer)->TokenToId("the");
  StreamDecoder stream(**tokenizer);
  for (int32_t id = 0; id < 40; ++id) (void)stream.Push(id * 7).ok();
  (void)stream.Finish().ok();
}

TEST(DamagedSection, TruncationIsNoticed) {
  const auto packed = ImportFixture("unigram_bytes");
  for (size_t n = 0; n < packed.size(); n = n < 256 ? n + 1 : n + n / 16) {
    const Copy copy(std::span<const uint8_t>(packed).first(n));
    EXPECT_FALSE(Tokenizer::Open(copy.span()).ok()) << n;
  }
}

TEST(DamagedSection, FlippedBitsDoNoHarm) {
  std::mt19937 rng(11);
  for (const char* family : kFamilies) {
    const auto packed = ImportFixture(family);
    for (int round = 0; round < 400; ++round) {
      Copy copy(packed);
      auto* bytes = reinterpret_cast<uint8_t*>(copy.words.data());
      // Half of the hits go to the structure at either end, where they matter most.
      for (int k = 0; k < 1 + round % 4; ++k) {
        const size_t at = rng() % 2 ? rng() % copy.size : rng() % 2 ? rng() % std::min<size_t>(2048, copy.size) : copy.size - 1 - rng() % std::min<size_t>(2048, copy.size);
        bytes[at] = static_cast<uint8_t>(round % 3 == 0 ? rng() : bytes[at] ^ (1u << (rng() % 8)));
      }
      Use(copy.span());
    }
  }
}

TEST(DamagedSection, ForeignBytesAreRefused) {
  std::mt19937 rng(3);
  std::vector<uint8_t> noise(4096);
  for (auto& b : noise) b = static_cast<uint8_t>(rng());
  EXPECT_FALSE(Tokenizer::Open(Copy(noise).span()).ok());
  EXPECT_FALSE(Tokenizer::Open({}).ok());
  const auto packed = ImportFixture("bert");
  EXPECT_FALSE(Tokenizer::Open(std::span(packed).subspan(1)).ok());
}

TEST(HostilePattern, StopsWithAnError) {
  json j = json::parse(ReadFixture("llama3.json"));
  int stopped = 0;
  // The text has every letter that a pattern must end in, or Oniguruma would see
  // at once that nothing can match.
  const char* patterns[] = {"(a+)+c", "(a|a)*c", "(a|aa)+c", "(?:a?){40}a{40}c", "((a*)*)*c", "(\\w*)*(\\w*)*c", "(?=(a+)+c)a"};
  for (const char* pattern : patterns) {
    j["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    const auto packed = ImportTokenizer(j.dump(), "");
    if (!packed.ok()) continue;  // refusing to compile it is as good
    const auto tokenizer = Tokenizer::Open(*packed).value();
    const auto start = std::chrono::steady_clock::now();
    const auto ids = tokenizer->Encode(std::string(5000, 'a') + "!c");
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    EXPECT_LT(spent.count(), 20) << pattern;
    if (!ids.ok()) {
      EXPECT_NE(ids.status().message().find("pre-tokenizer Split"), std::string::npos);
    }
    stopped += !ids.ok();
  }
  EXPECT_GE(stopped, 2);
}

TEST(HostilePattern, SizesAreBounded) {
  json j = json::parse(ReadFixture("llama3.json"));
  for (const std::string& pattern : {std::string(40000, 'a'), std::string(20000, '('), "a{100000}{100000}{100000}" + std::string(30000, '[')}) {
    j["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    EXPECT_FALSE(ImportTokenizer(j.dump(), "").ok());
  }
}

TEST(HostileText, LongRunsTakeLinearTime) {
  for (const char* family : kFamilies) {
    const auto packed = ImportFixture(family);
    const auto tokenizer = Tokenizer::Open(packed).value();
    for (const char* unit : {" ", "a", "\n", "\xCC\x81", "'", "0", "\xE2\x96\x81"}) {
      std::string text;
      while (text.size() < static_cast<size_t>(Cases(200000))) text += unit;
      const auto start = std::chrono::steady_clock::now();
      EXPECT_TRUE(tokenizer->Encode(text).ok()) << family;
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
      EXPECT_LT(spent.count(), 10) << family << " on a run of \"" << unit << "\"";
    }
  }
}

std::string RenderError(const std::string& source) {
  const auto parsed = ChatTemplate::Parse(source);
  if (!parsed.ok()) return parsed.status().message();
  ChatInput input;
  input.Add("user", "hi");
  const auto text = (*parsed)->Render(input);
  return text.ok() ? "" : text.status().message();
}

TEST(HostileTemplate, IsStopped) {
  std::string deep_if, deep_add = "{{ 1";
  for (int i = 0; i < 5000; ++i) deep_if += "{% if true %}";
  for (int i = 0; i < 5000; ++i) deep_add += "+1";
  const std::string cases[] = {
      "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}x{% endfor %}{% endfor %}{% endfor %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
      "{{ 'x' * 10000000000 }}", "{{ [1] * 10000000000 }}", "{{ range(10000000) }}", "{{ 'a'.ljust(99999999999) }}",
      "{{ 'x' * 9000000 | replace('x', 'y' * 9000000) }}", "{{ ('x' * 9000000).replace('', 'y' * 9000) }}",
      "{{ 'x' | indent(99999999) }}", "{{ 2 ** 4000 }}", "{{ 9223372036854775807 + 1 }}", "{{ 1 / 0 }}", "{{ 1 % 0 }}",
      std::string(5000, '(') + "{{ " + std::string(5000, '(') + " }}", "{{ " + std::string(100000, '-') + "1 }}", "{{ " + std::string(50000, '[') + " }}",
      deep_if, deep_add + " }}", "{{ x" + std::string(20000, '!') + " }}", "{{ 'unclosed }}", "{% if", "{{", "{#", "{% raw %}", "{% for x in %}",
      "{{ [].append(1) }}", "{{ {}.update({}) }}", "{{ strftime_now('%Y') }}", "{{ x.y }}", "{{ missing() }}", "{{ 'a' + 1 }}", "{{ 5[0](1) }}"};
  for (const std::string& source : cases) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_NE(RenderError(source), "") << source.substr(0, 80);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    EXPECT_LT(spent.count(), 30) << source.substr(0, 80);
  }
}

TEST(HostileTemplate, RandomSourcesDoNoHarm) {
  const char* const parts[] = {"{{", "}}", "{%", "%}", "{%-", "-%}", "{#", "#}", " if ", " for ", " in ", " endif ", " endfor ", " else ", " set ",
                               " macro ", " endmacro ", "x", "messages", "[", "]", "(", ")", "{", "}", ":", ",", ".", "|", "~", "+", "-", "*", "=", "==",
                               "'s'", "\"", "1", "2.5", " not ", " is ", "defined", "tojson", "loop.index", "\n", "namespace", "é", " and ", "join", "-1", "::"};
  std::mt19937 rng(5);
  for (int round = 0; round < Cases(20000); ++round) {
    std::string source;
    if (rng() % 2) source = "{{ ";
    for (uint32_t k = rng() % 16; k > 0; --k) source += parts[rng() % std::size(parts)];
    if (rng() % 2) source += " }}";
    (void)RenderError(source);
  }
}

}  // namespace
}  // namespace hasten
