// UTF-8 walking and character classes. Categories come from utf8proc; where the
// `tokenizers` package's tables differ, unicode_delta.inc lists the code points.
#include "runtime/engine/tokenizer/unicode.h"

#include <algorithm>
#include <iterator>

#include <utf8proc.h>

namespace hasten::tok {
namespace {

struct Range {
  uint32_t first, last;
};

#include "runtime/engine/tokenizer/unicode_delta.inc"

template <size_t N>
bool In(const Range (&ranges)[N], uint32_t c) {
  const auto* r = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                   [](uint32_t v, const Range& x) { return v < x.first; });
  return r != std::begin(ranges) && c <= (r - 1)->last;
}

utf8proc_category_t Category(uint32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool IsLetterCategory(utf8proc_category_t k) { return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO; }
bool IsMarkCategory(utf8proc_category_t k) { return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME; }

// Number of bytes of the well-formed character at the start of s, 0 when ill
// formed; *bad is then the length of the maximal subpart to replace.
size_t WellFormed(std::string_view s, size_t* bad) {
  const auto at = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const unsigned b0 = at(0);
  *bad = 1;
  if (b0 < 0x80) return 1;
  if (b0 < 0xC2 || b0 > 0xF4) return 0;
  const size_t need = b0 < 0xE0 ? 2 : b0 < 0xF0 ? 3 : 4;
  // The second byte's range excludes overlong forms, surrogates and > U+10FFFF.
  const unsigned lo = b0 == 0xE0 ? 0xA0 : b0 == 0xF0 ? 0x90 : 0x80;
  const unsigned hi = b0 == 0xED ? 0x9F : b0 == 0xF4 ? 0x8F : 0xBF;
  if (at(1) < lo || at(1) > hi) return 0;
  for (size_t i = 2; i < need; ++i) {
    *bad = i;
    if (at(i) < 0x80 || at(i) > 0xBF) return 0;
  }
  return need;
}

}  // namespace

void AppendUtf8(std::string& out, uint32_t c) {
  const auto put = [&](uint32_t v) { out.push_back(static_cast<char>(v)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

std::string ToUtf8(uint32_t c) {
  std::string s;
  AppendUtf8(s, c);
  return s;
}

size_t CountChars(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool IsValidUtf8(std::string_view text) {
  for (size_t i = 0, bad = 0; i < text.size();) {
    const size_t n = WellFormed(text.substr(i), &bad);
    if (n == 0) return false;
    i += n;
  }
  return true;
}

void AppendLossy(std::string& out, std::string_view text) {
  for (size_t i = 0, bad = 0; i < text.size();) {
    const size_t n = WellFormed(text.substr(i), &bad);
    if (n) out.append(text.substr(i, n));
    else out.append("\xEF\xBF\xBD");
    i += n ? n : bad;
  }
}

size_t IncompleteTail(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const std::string_view tail = text.substr(text.size() - back);
    const auto lead = static_cast<unsigned char>(tail[0]);
    if ((lead & 0xC0) == 0x80) continue;
    size_t bad = 0;
    const bool could = lead >= 0xC2 && lead <= 0xF4 && static_cast<size_t>(Utf8Length(lead)) > back;
    return could && WellFormed(tail, &bad) == 0 && bad == back ? back : 0;
  }
  return 0;
}

bool IsWhitespace(uint32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsNumeric(uint32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto k = Category(c);
  const bool base = k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
  return base != In(kNumericDelta, c);
}

bool IsPunctuation(uint32_t c) {
  if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  const auto k = Category(c);
  return (k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO) != In(kPunctuationDelta, c);
}

bool IsWord(uint32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  const auto k = Category(c);
  const bool base = IsLetterCategory(k) || IsMarkCategory(k) || k == UTF8PROC_CATEGORY_ND ||
                    k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_PC;
  return base != In(kWordDelta, c);
}

bool IsNonspacingMark(uint32_t c) {
  return c >= 0x300 && (Category(c) == UTF8PROC_CATEGORY_MN) != In(kNonspacingDelta, c);
}

bool IsCombiningMark(uint32_t c) { return c >= 0x300 && IsMarkCategory(Category(c)) != In(kCombiningDelta, c); }

bool IsOther(uint32_t c) {
  if (c < 0x80) return c < 32 || c == 127;
  const auto k = Category(c);
  const bool base = k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CO;
  return base != In(kOtherDelta, c);
}

void AppendLower(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c));
  } else if (c == 0x130) {
    out.append("i\xCC\x87");
  } else {
    const auto* younger = std::find_if(std::begin(kLowerDelta), std::end(kLowerDelta), [c](const Range& r) { return r.first == c; });
    AppendUtf8(out, younger != std::end(kLowerDelta) ? younger->last
                                                     : static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace hasten::tok
