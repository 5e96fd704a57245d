// Python's string methods on UTF-8, over utf8proc's categories and simple case
// mappings (of the full mappings only the sharp s, which upper() doubles).
#include "runtime/engine/chat/text.h"

#include <algorithm>

#include <utf8proc.h>

namespace hasten::chat {
namespace {

utf8proc_category_t Category(uint32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

void AppendUpper(std::string& out, uint32_t c) {
  if (c == 0xDF) out += "SS";
  else tok::AppendUtf8(out, static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
}

void AppendTitle(std::string& out, uint32_t c) {
  if (c == 0xDF) out += "Ss";
  else tok::AppendUtf8(out, static_cast<uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
}

bool IsCased(uint32_t c) {
  const auto k = Category(c);
  return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

bool IsLineBreak(uint32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

}  // namespace

bool IsPrintable(uint32_t c) {
  if (c < 0x7F) return c >= 0x20;
  const auto k = Category(c);
  return !(k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CS ||
           k == UTF8PROC_CATEGORY_CO || k == UTF8PROC_CATEGORY_CN || k == UTF8PROC_CATEGORY_ZL ||
           k == UTF8PROC_CATEGORY_ZP || k == UTF8PROC_CATEGORY_ZS);
}

bool IsSpace(uint32_t c) { return tok::IsWhitespace(c) || (c >= 0x1C && c <= 0x1F); }
bool IsAlpha(uint32_t c) { return Category(c) >= UTF8PROC_CATEGORY_LU && Category(c) <= UTF8PROC_CATEGORY_LO; }
bool IsDigit(uint32_t c) { return Category(c) == UTF8PROC_CATEGORY_ND; }
bool IsUpper(uint32_t c) { return Category(c) == UTF8PROC_CATEGORY_LU; }
bool IsLower(uint32_t c) { return Category(c) == UTF8PROC_CATEGORY_LL; }

std::u32string Decode(std::string_view s) {
  std::u32string out;
  tok::ForEachChar(s, [&](uint32_t c, size_t, size_t) { out.push_back(static_cast<char32_t>(c)); });
  return out;
}

std::string Encode(std::u32string_view s) {
  std::string out;
  for (const char32_t c : s) tok::AppendUtf8(out, static_cast<uint32_t>(c));
  return out;
}

std::string_view Strip(std::string_view s, bool left, bool right, const std::string* chars) {
  const std::u32string set = chars ? Decode(*chars) : std::u32string();
  const auto drop = [&](uint32_t c) { return chars ? set.find(static_cast<char32_t>(c)) != set.npos : IsSpace(c); };
  int n = 0;
  while (left && !s.empty() && drop(tok::Utf8At(s.data(), &n))) s.remove_prefix(static_cast<size_t>(n));
  while (right && !s.empty()) {
    size_t last = s.size() - 1;
    while (last > 0 && (static_cast<unsigned char>(s[last]) & 0xC0) == 0x80) --last;
    if (!drop(tok::Utf8At(s.data() + last, &n))) break;
    s = s.substr(0, last);
  }
  return s;
}

std::string Upper(std::string_view s) {
  std::string out;
  tok::ForEachChar(s, [&](uint32_t c, size_t, size_t) { AppendUpper(out, c); });
  return out;
}

std::string Lower(std::string_view s) {
  std::string out;
  tok::ForEachChar(s, [&](uint32_t c, size_t, size_t) { tok::AppendLower(out, c); });
  return out;
}

std::string Title(std::string_view s) {
  std::string out;
  bool inside = false;
  tok::ForEachChar(s, [&](uint32_t c, size_t, size_t) {
    if (inside) tok::AppendLower(out, c);
    else AppendTitle(out, c);
    inside = IsCased(c);
  });
  return out;
}

std::string Capitalize(std::string_view s) {
  std::string out;
  tok::ForEachChar(s, [&](uint32_t c, size_t at, size_t) {
    if (at == 0) AppendTitle(out, c);
    else tok::AppendLower(out, c);
  });
  return out;
}

std::string TitleFilter(std::string_view s) {
  std::string out;
  bool inside = false;
  tok::ForEachChar(s, [&](uint32_t c, size_t, size_t) {
    const bool gap = c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || IsSpace(c);
    if (inside && !gap) tok::AppendLower(out, c);
    else AppendUpper(out, c);
    inside = !gap;
  });
  return out;
}

std::string Replace(std::string_view s, std::string_view what, std::string_view with, int64_t count) {
  std::string out;
  if (count < 0) count = INT64_MAX;
  if (what.empty()) {
    // Before every character and at the end, as Python does.
    tok::ForEachChar(s, [&](uint32_t, size_t at, size_t n) {
      if (count-- > 0) out.append(with);
      out.append(s.substr(at, n));
    });
    if (count > 0) out.append(with);
    return out;
  }
  size_t last = 0;
  for (size_t at; count-- > 0 && (at = s.find(what, last)) != s.npos; last = at + what.size())
    out.append(s.substr(last, at - last)).append(with);
  return out.append(s.substr(last));
}

std::vector<std::string> SplitSpaces(std::string_view s, int64_t limit, bool from_right) {
  std::vector<std::string> out;
  if (limit < 0) limit = INT64_MAX;
  s = Strip(s, !from_right, from_right);
  while (!s.empty()) {
    if (limit-- <= 0) {
      out.emplace_back(s);
      break;
    }
    size_t begin = 0, end = s.size();
    bool found = false;
    tok::ForEachChar(s, [&](uint32_t c, size_t at, size_t n) {
      if (!IsSpace(c)) return;
      if (from_right) begin = at + n;
      else if (!found) end = at;
      found = true;
    });
    out.emplace_back(s.substr(begin, end - begin));
    s = from_right ? Strip(s.substr(0, begin), false, true) : Strip(s.substr(end), true, false);
  }
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string> SplitBy(std::string_view s, std::string_view separator, int64_t limit, bool from_right) {
  std::vector<std::string> out;
  if (limit < 0) limit = INT64_MAX;
  while (limit-- > 0) {
    const size_t at = from_right ? s.rfind(separator) : s.find(separator);
    if (at == s.npos) break;
    const size_t after = at + separator.size();
    out.emplace_back(from_right ? s.substr(after) : s.substr(0, at));
    s = from_right ? s.substr(0, at) : s.substr(after);
  }
  out.emplace_back(s);
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string> SplitLines(std::string_view s, bool keep_ends) {
  std::vector<std::string> out;
  size_t begin = 0;
  tok::ForEachChar(s, [&](uint32_t c, size_t at, size_t n) {
    if (!IsLineBreak(c) || at < begin) return;
    size_t next = at + n;
    if (c == '\r' && next < s.size() && s[next] == '\n') ++next;
    out.emplace_back(s.substr(begin, (keep_ends ? next : at) - begin));
    begin = next;
  });
  if (begin < s.size()) out.emplace_back(s.substr(begin));
  return out;
}

}  // namespace hasten::chat
