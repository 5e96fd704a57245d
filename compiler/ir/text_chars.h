// Which names stand bare in the textual IR; all others are quoted. Shared by
// the printer and the parser, which must agree.
#pragma once

#include <algorithm>
#include <string_view>

namespace hasten::ir {

constexpr bool IsWordChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}
// Value, weight, graph and output names: ONNX's paths stand bare.
constexpr bool IsNameChar(char c) { return IsWordChar(c) || c == '/' || c == '-' || c == '$'; }

// "//" would start a comment and "->" is a token, so names with them are quoted.
constexpr bool IsPlainName(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), IsNameChar) && s.find("//") == std::string_view::npos;
}
// Operator and attribute names, and dimension symbols: no leading digit or dot.
constexpr bool IsPlainWord(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), IsWordChar) && !(s[0] >= '0' && s[0] <= '9') && s[0] != '.';
}

}  // namespace hasten::ir
