// UTF-8 walking and the character classes that tokenizers need. Classes follow
// what the `tokenizers` package's own tables say (they mix Unicode versions), so
// that ids come out equal; the differences from utf8proc are in unicode_delta.inc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hasten::tok {

// Length in bytes of the character that starts with this byte of valid UTF-8.
inline int Utf8Length(unsigned char lead) { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

// The code point at p; the text must be valid UTF-8 and p must not be its end.
inline uint32_t Utf8At(const char* p, int* length) {
  const auto* u = reinterpret_cast<const unsigned char*>(p);
  if (u[0] < 0x80) return *length = 1, u[0];
  if (u[0] < 0xE0) return *length = 2, (u[0] & 0x1Fu) << 6 | (u[1] & 0x3Fu);
  if (u[0] < 0xF0) return *length = 3, (u[0] & 0x0Fu) << 12 | (u[1] & 0x3Fu) << 6 | (u[2] & 0x3Fu);
  return *length = 4, (u[0] & 0x07u) << 18 | (u[1] & 0x3Fu) << 12 | (u[2] & 0x3Fu) << 6 | (u[3] & 0x3Fu);
}

void AppendUtf8(std::string& out, uint32_t code_point);
std::string ToUtf8(uint32_t code_point);

// Calls f(code point, byte offset, byte length) for each character of valid UTF-8.
template <class F>
void ForEachChar(std::string_view text, F&& f) {
  for (size_t i = 0; i < text.size();) {
    int n = 0;
    const uint32_t c = Utf8At(text.data() + i, &n);
    f(c, i, static_cast<size_t>(n));
    i += static_cast<size_t>(n);
  }
}

size_t CountChars(std::string_view text);
bool IsValidUtf8(std::string_view text);
// Appends text with each maximal ill-formed part replaced by U+FFFD (Unicode
// 15, section 3.9, "substitution of maximal subparts"; what Rust and Python do).
void AppendLossy(std::string& out, std::string_view text);
// Length of a trailing sequence that more bytes could still complete, 0 if none.
size_t IncompleteTail(std::string_view text);

bool IsWhitespace(uint32_t c);       // White_Space
bool IsNumeric(uint32_t c);          // Nd, Nl, No
bool IsPunctuation(uint32_t c);      // P*, and ASCII symbols
bool IsWord(uint32_t c);             // regex \w: Alphabetic, M, Nd, Pc, Join_Control
bool IsNonspacingMark(uint32_t c);   // Mn
bool IsCombiningMark(uint32_t c);    // M*
bool IsOther(uint32_t c);            // Cc, Cf, Co, as BERT's clean-up drops them
// Appends the lower case of c, without context (U+0130 becomes two characters).
void AppendLower(std::string& out, uint32_t c);

}  // namespace hasten::tok
