// Passes over mutated graphs: text that reads and verifies may still be wrong
// in any attribute, type or constant. A pass may refuse it or leave it; it may
// not crash, hang or leave a broken graph behind.
#include <cctype>
#include <random>

#include <gtest/gtest.h>

#include "golden.h"
#include "passes/opt.h"

namespace hasten::passes {
namespace {

// Replaces a number, a word or a mark by another one of the same text.
std::string Mutate(const std::string& text, std::mt19937_64& rng) {
  constexpr std::string_view kNumbers[] = {"0", "-1", "7", "2147483647", "-9223372036854775808", "9223372036854775807", "1.5"};
  std::string out = text;
  for (uint64_t edits = 1 + rng() % 3; edits-- > 0;) {
    const auto is_number = [&](size_t i) { return (out[i] >= '0' && out[i] <= '9') || out[i] == '-'; };
    size_t at = rng() % out.size();
    for (size_t tried = 0; tried < out.size() && !is_number(at); ++tried) at = (at + 1) % out.size();
    size_t end = at;
    while (end < out.size() && is_number(end)) ++end;
    if (rng() % 3) out.replace(at, end - at, kNumbers[rng() % 7]);
    else out[rng() % out.size()] = out[rng() % out.size()];
  }
  return out;
}

// [begin, end) of every operand (%a, @w, _), or with `types` of every result's type.
std::vector<std::pair<size_t, size_t>> Pieces(const std::string& text, bool types) {
  std::vector<std::pair<size_t, size_t>> out;
  const auto is_word = [&](size_t i) { return std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_'; };
  for (size_t at = 0; at < text.size(); ++at) {
    size_t end = at;
    if (types) {
      if (text.compare(at, 2, ": ") != 0) continue;
      end = text.find_first_of("])\n ", at += 2);
      if (end != std::string::npos && text[end] == ']') ++end;
    } else if (text[at] == '%' || text[at] == '@' || (text[at] == '_' && text[at - 1] == ' ')) {
      for (++end; end < text.size() && is_word(end);) ++end;
    }
    if (end == std::string::npos || end <= at) continue;
    out.emplace_back(at, end);
    at = end;
  }
  return out;
}

// Another value where an operand or result stood, or another type where a type
// stood: every piece is well formed, what they say together is not.
std::string MutateStructure(const std::string& text, std::mt19937_64& rng) {
  constexpr std::string_view kTypes[] = {"f32[*]", "f32", "f32[]", "f32[?,?,?]", "i64[B,S,4]", "f32[B,S]", "f32[B,S,2147483648]", "f16[4]"};
  std::string out = text;
  for (uint64_t edits = 1 + rng() % 2; edits-- > 0;) {
    const bool types = rng() % 2;
    const auto pieces = Pieces(out, types);
    if (pieces.empty()) continue;
    const auto [at, end] = pieces[rng() % pieces.size()];
    const auto [from, to] = pieces[rng() % pieces.size()];
    const std::string other = types && rng() % 2 ? std::string(kTypes[rng() % 8]) : out.substr(from, to - from);
    out.replace(at, end - at, other);
  }
  return out;
}

TEST(MutatedTexts, PassesRefuseOrLeaveThem) {
  std::mt19937_64 rng(3);
  OptOptions options;
  options.random_weights = true;
  int ran = 0;
  for (const std::string& path : GoldenFiles(HASTEN_SOURCE_DIR "/tests/ir")) {
    for (const GoldenCase& c : ParseGolden(ReadFile(path)).cases) {
      if (c.input.find("random(1)") != std::string::npos) continue;   // large: slow, and nothing new
      for (int i = 0; i < 1500; ++i) {
        const std::string text = i % 2 ? MutateStructure(c.input, rng) : Mutate(c.input, rng);
        const std::string names[] = {std::string(i % 6 == 0 ? "canonicalize" : i % 6 == 3 ? "compile" : AllPasses()[rng() % AllPasses().size()].name)};
        const Result<std::string> made = RunOpt(text, names, options, nullptr);
        ran += made.ok();
        if (made.ok()) continue;
        ASSERT_NE(made.status().code(), Code::kInternal) << names[0] << ": " << made.status().message() << "\n" << text;
      }
    }
  }
  EXPECT_GT(ran, 1000) << "mutations that are always refused test nothing";
}

}  // namespace
}  // namespace hasten::passes
