#include "calib/report/text.h"

#include <cmath>
#include <cstdint>
#include <cstdio>

#include "runtime/base/status.h"

namespace hasten::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the well-formed character at the beginning, 0 if there is none
// (Unicode 15, table 3-7), and its code point.
size_t Decode(std::string_view s, uint32_t& code) {
  const auto byte = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint32_t a = byte(0);
  if (a < 0x80) return code = a, 1;
  if (a >= 0xC2 && a <= 0xDF && tail(1)) return code = (a & 0x1F) << 6 | (byte(1) & 0x3F), 2;
  if (a >= 0xE0 && a <= 0xEF && tail(1) && tail(2)) {
    code = (a & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return code >= 0x800 && (code < 0xD800 || code > 0xDFFF) ? 3 : 0;
  }
  if (a >= 0xF0 && a <= 0xF4 && tail(1) && tail(2) && tail(3)) {
    code = (a & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    return code >= 0x10000 && code <= 0x10FFFF ? 4 : 0;
  }
  return 0;
}

bool IsShown(uint32_t c) {
  if (c < 0x20) return c == '\n' || c == '\t';
  if (c >= 0x7F && c < 0xA0) return false;                                  // DEL and C1
  if ((c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069)) return false;   // embeddings, overrides, isolates
  return (c & 0xFFFE) != 0xFFFE && !(c >= 0xFDD0 && c <= 0xFDEF);           // noncharacters
}

// Groups of three before the point.
std::string Grouped(std::string digits) {
  const size_t begin = digits.find_first_of("0123456789");
  for (size_t at = digits.size(); at > begin + 3;) digits.insert(at -= 3, ",");
  return digits;
}

}  // namespace

std::string Clean(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    uint32_t code = 0;
    const size_t size = Decode(text.substr(i), code);
    out += size && IsShown(code) ? text.substr(i, size) : kReplacement;
    i += size ? size : 1;
  }
  return out;
}

std::string Html(std::string_view text) {
  std::string out;
  for (const char c : Clean(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string Markdown(std::string_view text) {
  std::string out;
  for (const char c : Clean(text)) {
    if (c == '\n' || c == '\t') out += ' ';
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else if (c == '@') out += "@\xE2\x80\x8B";   // a space without width: mentions no one
    else if (c == ':') out += "&#58;";            // no link by itself
    else if (std::string_view("\\`*_[]()#!|~$").find(c) != std::string_view::npos) out += {'\\', c};
    else out += c;
  }
  return out;
}

std::string MarkdownCode(std::string_view text) {
  std::string body;
  size_t run = 0, longest = 0;
  for (const char c : Clean(text)) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
    if (c == '\n') body += "\xE2\x8F\x8E";        // ⏎
    else if (c == '\t') body += ' ';
    else if (c == '|') body += "\\|";             // a cell ends at it even within code
    else body += c;
  }
  if (body.find_first_not_of(' ') == std::string::npos) return body.empty() ? "" : "`" + body + "`";
  const std::string fence(longest + 1, '`');
  return fence + (longest || body.front() == ' ' ? " " + body + " " : body) + fence;
}

std::string Shorten(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return std::string(text.substr(0, most)) + "\xE2\x80\xA6";
}

std::string ShortenFront(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  size_t at = text.size() - most;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  return "\xE2\x80\xA6" + std::string(text.substr(at));
}

std::string Number(double x) {
  if (!std::isfinite(x)) return "\xE2\x80\x93";
  if (x == 0) return "0";   // -0 too
  const double size = std::abs(x);
  char buffer[64];
  if (size < 1e-3 || size >= 1e15) {   // 1.78e-4
    const int exponent = static_cast<int>(std::floor(std::log10(size) + 1e-12));
    return StrCat(Number(x / std::pow(10, exponent)), "e", exponent);
  }
  if (size >= 100) {
    std::snprintf(buffer, sizeof buffer, "%.0f", x);
    return Grouped(buffer);
  }
  std::snprintf(buffer, sizeof buffer, "%.*f", size >= 10 ? 1 : size >= 1 ? 3 : size >= 0.1 ? 4 : size >= 0.01 ? 5 : 6, x);
  std::string s = buffer;
  if (const size_t point = s.find('.'); point != std::string::npos) {   // 2.00 is 2
    const size_t last = s.find_last_not_of('0');
    s.erase(last == point ? point : last + 1);
  }
  return s;
}

std::string Number(const std::optional<double>& value) { return value ? Number(*value) : "\xE2\x80\x93"; }

}  // namespace hasten::report
