// Normalizers. Each step rewrites the text into a fresh string and says how many
// of its leading bytes still stem from the very start of the original.
#include "runtime/engine/tokenizer/normalizer.h"

#include <array>

#include <utf8proc.h>

#include "runtime/engine/tokenizer/unicode.h"
#include "runtime/format/tokenizer_generated.h"

namespace hasten::tok {
namespace {

using tokfb::StepKind;

// Rewrites the text character by character: f(c, out) appends what c becomes.
template <class F>
void MapChars(Text& text, F&& f) {
  std::string out;
  out.reserve(text.s.size());
  uint32_t zero = 0;
  ForEachChar(text.s, [&](uint32_t c, size_t at, size_t) {
    f(c, out);
    if (at < text.zero) zero = static_cast<uint32_t>(out.size());
  });
  text.s = std::move(out);
  text.zero = zero;
}

template <class F>
void Filter(Text& text, F&& keep) {
  MapChars(text, [&](uint32_t c, std::string& out) {
    if (keep(c)) AppendUtf8(out, c);
  });
}

void Strip(Text& text, bool left, bool right) {
  std::string_view s = text.s;
  size_t begin = 0, end = s.size();
  ForEachChar(s, [&](uint32_t c, size_t at, size_t n) {
    if (left && begin == at && IsWhitespace(c)) begin = at + n;
  });
  if (right) {
    size_t last = begin;
    ForEachChar(s, [&](uint32_t c, size_t at, size_t n) {
      if (!IsWhitespace(c)) last = at + n;
    });
    end = std::max(begin, last);
  }
  text.zero = begin > 0 ? 0 : text.zero;
  text.s = text.s.substr(begin, end - begin);
}

void Prepend(Text& text, std::string_view what) {
  if (text.s.empty()) return;
  text.s.insert(0, what);
  if (text.zero > 0) text.zero += static_cast<uint32_t>(what.size());
}

bool IsChinese(uint32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// SentencePiece's NMT rules: drop control characters, treat odd spaces as spaces.
void Nmt(Text& text) {
  MapChars(text, [](uint32_t c, std::string& out) {
    const bool drop = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
    if (drop) return;
    const bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                       c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    AppendUtf8(out, space ? ' ' : c);
  });
}

void Lowercase(Text& text) {
  MapChars(text, [](uint32_t c, std::string& out) { AppendLower(out, c); });
}

}  // namespace

Result<CharsMap> CharsMap::Make(std::span<const uint8_t> packed) {
  CharsMap map;
  if (packed.size() < 4) return BadInput("normalizer Precompiled: ", packed.size(), " bytes of charsmap, needs 4 or more");
  const uint32_t trie_bytes = packed[0] | packed[1] << 8 | packed[2] << 16 | static_cast<uint32_t>(packed[3]) << 24;
  if (trie_bytes > packed.size() - 4 || trie_bytes % 4 != 0 || trie_bytes == 0)
    return BadInput("normalizer Precompiled: trie of ", trie_bytes, " bytes in a charsmap of ", packed.size());
  map.units_ = packed.subspan(4, trie_bytes);
  const auto rest = packed.subspan(4 + trie_bytes);
  map.replacements_ = {reinterpret_cast<const char*>(rest.data()), rest.size()};
  if (!IsValidUtf8(map.replacements_)) return BadInput("normalizer Precompiled: replacement text is not UTF-8");
  return map;
}

uint32_t CharsMap::Unit(size_t i) const {
  // Beyond the array: a unit without offset, whose label no byte equals.
  if (i >= units_.size() / 4) return 0x80000000u;
  const uint8_t* u = units_.data() + 4 * i;
  return u[0] | u[1] << 8 | u[2] << 16 | static_cast<uint32_t>(u[3]) << 24;
}

std::optional<std::string_view> CharsMap::Find(std::string_view s) const {
  const auto offset = [](uint32_t unit) -> size_t { return static_cast<size_t>(unit >> 10) << ((unit & (1u << 9)) >> 6); };
  size_t node = offset(Unit(0));
  for (const char ch : s) {
    const auto byte = static_cast<uint8_t>(ch);
    if (byte == 0) break;
    node ^= byte;
    const uint32_t unit = Unit(node);
    if ((unit & (1u << 31 | 0xFF)) != byte) return std::nullopt;
    node ^= offset(unit);
    if (unit >> 8 & 1) {
      const size_t at = Unit(node) & 0x7FFFFFFFu;
      if (at > replacements_.size()) return std::nullopt;
      // A hostile offset may point into a character; its tail must not leak out.
      if (at < replacements_.size() && (replacements_[at] & 0xC0) == 0x80) return std::nullopt;
      return replacements_.substr(at, replacements_.find('\0', at) - at);
    }
  }
  return std::nullopt;
}

// Whole grapheme clusters are looked up first when short, then single
// characters: that is how the package approximates SentencePiece's longest match.
void Normalizer::Precompiled(const CharsMap& map, Text& text) {
  std::string out;
  out.reserve(text.s.size());
  uint32_t zero = 0;
  const std::string_view s = text.s;
  const auto put = [&](std::string_view part, size_t at) {
    const auto found = map.Find(part);
    out.append(found ? *found : part);
    if (at < text.zero) zero = static_cast<uint32_t>(out.size());
  };
  const auto flush = [&](size_t begin, size_t end) {
    const std::string_view cluster = s.substr(begin, end - begin);
    if (cluster.size() < 6 && map.Find(cluster)) return put(cluster, begin);
    ForEachChar(cluster, [&](uint32_t, size_t at, size_t n) { put(cluster.substr(at, n), begin + at); });
  };
  size_t begin = 0;
  utf8proc_int32_t previous = -1, state = 0;
  ForEachChar(s, [&](uint32_t c, size_t at, size_t) {
    if (previous >= 0 && utf8proc_grapheme_break_stateful(previous, static_cast<utf8proc_int32_t>(c), &state)) {
      flush(begin, at);
      begin = at;
    }
    previous = static_cast<utf8proc_int32_t>(c);
  });
  if (begin < s.size()) flush(begin, s.size());
  text.s = std::move(out);
  text.zero = zero;
}

Status Normalizer::Replace(const Step& step, Text& text) {
  std::vector<Match> parts;
  HST_RETURN_IF_ERROR(step.pattern->Split(text.s, parts));
  std::string out;
  uint32_t zero = 0;
  for (const Match& m : parts) {
    if (m.is_match) out.append(step.content);
    else out.append(text.s, m.begin, m.end - m.begin);
    // Replacement text takes the place of the last byte that it replaces.
    if (m.is_match ? (m.end > 0 && m.end - 1 < text.zero) || m.end == 0 : m.end <= text.zero)
      zero = static_cast<uint32_t>(out.size());
    else if (!m.is_match && m.begin < text.zero)
      zero = static_cast<uint32_t>(out.size()) - (m.end - text.zero);
    if (out.size() > (1u << 30)) return BadInput("normalizer Replace: text grows beyond 1 GiB");
  }
  text.s = std::move(out);
  text.zero = zero;
  return {};
}

Result<Normalizer> Normalizer::Make(const Steps* steps) {
  Normalizer n;
  if (!steps) return n;
  for (const tokfb::Step* packed : *steps) {
    Step step;
    step.kind = packed->kind();
    if (step.kind > StepKind::ByteLevel)
      return BadInput("tokenizer: component kind ", static_cast<int>(step.kind), " is not a normalizer");
    step.left = packed->left();
    step.right = packed->right();
    step.clean_text = packed->clean_text();
    step.chinese = packed->chinese();
    step.strip_accents = packed->strip_accents();
    step.lowercase = packed->lowercase();
    const std::string text = packed->text() ? packed->text()->str() : "";
    step.content = packed->content() ? packed->content()->str() : "";
    if (!IsValidUtf8(text) || !IsValidUtf8(step.content)) return BadInput("tokenizer: normalizer text is not UTF-8");
    if (step.kind == StepKind::Prepend) step.content = text;
    if (step.kind == StepKind::Replace) {
      HST_ASSIGN_OR_RETURN(step.pattern, Pattern::Compile(text, packed->text_is_regex(), "normalizer Replace"));
    }
    if (step.kind == StepKind::Precompiled) {
      const auto* map = packed->charsmap();
      HST_ASSIGN_OR_RETURN(step.charsmap, CharsMap::Make(map ? std::span<const uint8_t>(map->data(), map->size())
                                                             : std::span<const uint8_t>()));
    }
    n.steps_.push_back(std::move(step));
  }
  return n;
}

Status Normalizer::RunStep(const Step& step, Text& text) {
  switch (step.kind) {
    case StepKind::Nfc: NormalizeUnicode(Form::kNfc, text); break;
    case StepKind::Nfd: NormalizeUnicode(Form::kNfd, text); break;
    case StepKind::Nfkc: NormalizeUnicode(Form::kNfkc, text); break;
    case StepKind::Nfkd: NormalizeUnicode(Form::kNfkd, text); break;
    case StepKind::Lowercase: Lowercase(text); break;
    case StepKind::Strip: Strip(text, step.left, step.right); break;
    case StepKind::StripAccents: Filter(text, [](uint32_t c) { return !IsCombiningMark(c); }); break;
    case StepKind::Replace: return Replace(step, text);
    case StepKind::Prepend: Prepend(text, step.content); break;
    case StepKind::Precompiled: Precompiled(*step.charsmap, text); break;
    case StepKind::Nmt: Nmt(text); break;
    case StepKind::ByteLevel: {
      std::string out;
      AppendByteLevel(out, text.s);
      uint32_t zero = 0;
      for (uint32_t i = 0; i < text.zero; ++i) zero += ByteToChar(static_cast<uint8_t>(text.s[i])) < 0x80 ? 1 : 2;
      text.s = std::move(out);
      text.zero = zero;
      break;
    }
    case StepKind::Bert:
      if (step.clean_text) {
        MapChars(text, [](uint32_t c, std::string& out) {
          const bool blank = IsWhitespace(c) && (c == 9 || c == 10 || c == 13 || !IsOther(c));
          if (blank) out.push_back(' ');
          else if (c != 0 && c != 0xFFFD && !IsOther(c)) AppendUtf8(out, c);
        });
      }
      if (step.chinese) {
        MapChars(text, [](uint32_t c, std::string& out) {
          const bool wide = IsChinese(c);
          if (wide) out.push_back(' ');
          AppendUtf8(out, c);
          if (wide) out.push_back(' ');
        });
      }
      if (step.strip_accents) {
        NormalizeUnicode(Form::kNfd, text);
        Filter(text, [](uint32_t c) { return !IsNonspacingMark(c); });
      }
      if (step.lowercase) Lowercase(text);
      break;
    default: return Internal("tokenizer: not a normalizer");
  }
  return {};
}

Status Normalizer::Run(Text& text) const {
  for (const Step& step : steps_) HST_RETURN_IF_ERROR(RunStep(step, text));
  return {};
}

namespace {
struct ByteTables {
  std::array<uint16_t, 256> to_char{};
  std::array<int16_t, 512> to_byte{};
  constexpr ByteTables() {
    for (auto& b : to_byte) b = -1;
    uint16_t next = 256;
    for (int b = 0; b < 256; ++b) {
      const bool shown = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      to_char[b] = shown ? static_cast<uint16_t>(b) : next++;
      to_byte[to_char[b]] = static_cast<int16_t>(b);
    }
  }
};
constexpr ByteTables kBytes;
}  // namespace

uint32_t ByteToChar(uint8_t byte) { return kBytes.to_char[byte]; }
int CharToByte(uint32_t c) { return c < 512 ? kBytes.to_byte[c] : -1; }

void AppendByteLevel(std::string& out, std::string_view text) {
  for (const char ch : text) {
    const uint32_t c = kBytes.to_char[static_cast<uint8_t>(ch)];
    if (c < 0x80) {
      out.push_back(static_cast<char>(c));
    } else {
      out.push_back(static_cast<char>(0xC0 | c >> 6));
      out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    }
  }
}

}  // namespace hasten::tok
