// Unicode normalization forms over utf8proc's properties (UAX 15). utf8proc
// decomposes, orders and composes; what is ours is the cut at code points that
// the `tokenizers` package's tables do not know yet: they are inert there.
#include <algorithm>
#include <iterator>
#include <vector>

#include <utf8proc.h>

#include "runtime/engine/tokenizer/normalizer.h"
#include "runtime/engine/tokenizer/unicode.h"

namespace hasten::tok {
namespace {

struct Range {
  uint32_t first, last;
};
#include "runtime/engine/tokenizer/unicode_inert.inc"

bool IsInert(uint32_t c) {
  const auto* r = std::upper_bound(std::begin(kInert), std::end(kInert), c,
                                   [](uint32_t v, const Range& x) { return v < x.first; });
  return r != std::begin(kInert) && c <= (r - 1)->last;
}

void Decompose(uint32_t c, utf8proc_option_t options, std::vector<utf8proc_int32_t>& out) {
  utf8proc_int32_t buffer[32];  // the longest decomposition has 18 (U+FDFA)
  int last_class = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer, 32, options, &last_class);
  if (n > 0 && n <= 32) out.insert(out.end(), buffer, buffer + n);
  else out.push_back(static_cast<utf8proc_int32_t>(c));
}

int CombiningClass(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

// Canonical ordering: marks sort stably by combining class between starters.
void Reorder(std::vector<utf8proc_int32_t>& s) {
  for (size_t i = 0; i < s.size();) {
    if (CombiningClass(s[i]) == 0) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < s.size() && CombiningClass(s[end]) != 0) ++end;
    std::stable_sort(s.begin() + static_cast<ptrdiff_t>(i), s.begin() + static_cast<ptrdiff_t>(end),
                     [](auto a, auto b) { return CombiningClass(a) < CombiningClass(b); });
    i = end;
  }
}

}  // namespace

void NormalizeUnicode(Form form, Text& text) {
  const bool ascii = std::all_of(text.s.begin(), text.s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) return;
  const bool compat = form == Form::kNfkc || form == Form::kNfkd;
  const bool compose = form == Form::kNfc || form == Form::kNfkc;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0));
  std::string out;
  out.reserve(text.s.size() + text.s.size() / 8);
  std::vector<utf8proc_int32_t> part;
  const auto flush = [&] {
    Reorder(part);
    auto n = static_cast<utf8proc_ssize_t>(part.size());
    if (compose) {
      const auto stable = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
      n = std::max<utf8proc_ssize_t>(0, utf8proc_normalize_utf32(part.data(), n, stable));
    }
    for (utf8proc_ssize_t i = 0; i < n; ++i) AppendUtf8(out, static_cast<uint32_t>(part[static_cast<size_t>(i)]));
    part.clear();
  };
  ForEachChar(text.s, [&](uint32_t c, size_t, size_t) {
    if (c >= 0x80 && IsInert(c)) {
      flush();
      AppendUtf8(out, c);
      return;
    }
    // A starter begins a new part unless it may compose with what is before it;
    // cutting at ASCII keeps parts short whatever the text is.
    if (c < 0x80 && !part.empty()) flush();
    Decompose(c, options, part);
  });
  flush();
  text.zero = text.zero > 0 && !out.empty() ? static_cast<uint32_t>(Utf8Length(static_cast<unsigned char>(out[0]))) : 0;
  text.s = std::move(out);
}

}  // namespace hasten::tok
