// Python's string methods, on UTF-8: what templates call strip, split, title and
// so on. Positions and lengths count characters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/engine/tokenizer/unicode.h"

namespace hasten::chat {

bool IsPrintable(uint32_t c);  // str.isprintable
bool IsSpace(uint32_t c);      // str.isspace: White_Space and U+001C to U+001F
bool IsAlpha(uint32_t c);
bool IsDigit(uint32_t c);
bool IsUpper(uint32_t c);
bool IsLower(uint32_t c);

std::u32string Decode(std::string_view s);
std::string Encode(std::u32string_view s);

// Strips whitespace, or the characters of *chars.
std::string_view Strip(std::string_view s, bool left, bool right, const std::string* chars = nullptr);
std::string Upper(std::string_view s);
std::string Lower(std::string_view s);
std::string Title(std::string_view s);       // str.title
std::string Capitalize(std::string_view s);  // str.capitalize
std::string TitleFilter(std::string_view s); // Jinja's title: words begin after - ( { [ < and spaces
// At most `count` replacements, all when negative.
std::string Replace(std::string_view s, std::string_view what, std::string_view with, int64_t count);
// At most `limit` cuts, all when negative. The first form cuts at runs of whitespace.
std::vector<std::string> SplitSpaces(std::string_view s, int64_t limit, bool from_right);
std::vector<std::string> SplitBy(std::string_view s, std::string_view separator, int64_t limit, bool from_right);
std::vector<std::string> SplitLines(std::string_view s, bool keep_ends);

}  // namespace hasten::chat
