#include "compiler/ir/text_cursor.h"

#include <bit>
#include <charconv>
#include <cstdint>
#include <limits>

#include "compiler/ir/text_chars.h"

namespace hasten::ir {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

template <class F, class Bits>
bool ParseFloat(std::string_view s, F* out) {
  if (s.starts_with("nan(0x") && s.back() == ')') {
    Bits bits = 0;
    const auto r = std::from_chars(s.data() + 6, s.data() + s.size() - 1, bits, 16);
    *out = std::bit_cast<F>(bits);
    return r.ec == std::errc() && r.ptr == s.data() + s.size() - 1 && *out != *out;
  }
  if (s == "nan") {
    *out = std::numeric_limits<F>::quiet_NaN();
    return true;
  }
  const auto r = std::from_chars(s.data(), s.data() + s.size(), *out);
  return r.ec == std::errc() && r.ptr == s.data() + s.size();
}

template <class I>
bool ParseInt(std::string_view s, I* out) {
  const auto r = std::from_chars(s.data(), s.data() + s.size(), *out);
  return r.ec == std::errc() && r.ptr == s.data() + s.size();
}

}  // namespace

void TextCursor::Skip() {
  while (pos_ < text_.size()) {
    const char c = text_[pos_];
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      ++pos_;
    } else if (text_.substr(pos_, 2) == "//") {
      while (pos_ < text_.size() && text_[pos_] != '\n') ++pos_;
    } else {
      return;
    }
  }
}

bool TextCursor::AtEnd() {
  Skip();
  return pos_ == text_.size();
}

size_t TextCursor::pos() {
  Skip();
  return pos_;
}

bool TextCursor::Peek(std::string_view token) {
  Skip();
  return text_.substr(pos_, token.size()) == token;
}

bool TextCursor::Take(std::string_view token) {
  if (!Peek(token)) return false;
  pos_ += token.size();
  return true;
}

bool TextCursor::PeekWord(std::string_view word) {
  if (!Peek(word)) return false;
  const size_t end = pos_ + word.size();
  return end >= text_.size() || !IsWordChar(text_[end]);
}

bool TextCursor::TakeWord(std::string_view word) {
  if (!PeekWord(word)) return false;
  pos_ += word.size();
  return true;
}

Status TextCursor::Need(std::string_view token) { return Take(token) ? Status() : FailHere(StrCat("\"", token, "\"")); }
Status TextCursor::NeedWord(std::string_view word) { return TakeWord(word) ? Status() : FailHere(StrCat("\"", word, "\"")); }

template <class Pred>
Result<std::string> TextCursor::BareOrQuoted(Pred is_char, std::string_view what) {
  Skip();
  if (Peek("\"")) return String();
  size_t end = pos_;
  // A name ends before "//" (a comment) and "->".
  while (end < text_.size() && is_char(text_[end]) && text_.substr(end, 2) != "//" && text_.substr(end, 2) != "->") ++end;
  if (end == pos_) return FailHere(what);
  std::string out(text_.substr(pos_, end - pos_));
  pos_ = end;
  return out;
}

Result<std::string> TextCursor::Name() { return BareOrQuoted(IsNameChar, "a name"); }

Result<std::string> TextCursor::Word() {
  const size_t at = pos();
  const bool quoted = Peek("\"");
  HST_ASSIGN_OR_RETURN(std::string word, BareOrQuoted(IsWordChar, "a word"));
  if (!quoted && !IsPlainWord(word)) return Fail(at, "a word that starts with a letter");
  return word;
}

Result<std::string> TextCursor::String() {
  const size_t start = pos();
  HST_RETURN_IF_ERROR(Need("\""));
  std::string out;
  while (pos_ < text_.size() && text_[pos_] != '"') {
    char c = text_[pos_++];
    if (c == '\n') return Error(start, "needed a closing quote on the same line");
    if (c == '\\') {
      const std::string_view rest = text_.substr(pos_, 3);
      if (rest.empty()) break;
      if (rest[0] == 'n') c = '\n';
      else if (rest[0] == 't') c = '\t';
      else if (rest[0] == '"' || rest[0] == '\\') c = rest[0];
      else if (rest[0] == 'x' && rest.size() == 3 && HexValue(rest[1]) >= 0 && HexValue(rest[2]) >= 0) {
        c = static_cast<char>(HexValue(rest[1]) * 16 + HexValue(rest[2]));
        pos_ += 2;
      } else {
        return Fail(pos_ - 1, "one of the escapes \\n \\t \\\" \\\\ \\xhh");
      }
      ++pos_;
    }
    out += c;
  }
  if (pos_ >= text_.size()) return Error(start, "needed a closing quote, came the end of the text");
  ++pos_;
  return out;
}

Result<TextCursor::Number> TextCursor::NumberToken() {
  const size_t start = pos();
  size_t end = start;
  const auto at = [&](size_t i) { return i < text_.size() ? text_[i] : '\0'; };
  const auto digit = [&](size_t i) { return at(i) >= '0' && at(i) <= '9'; };
  if (at(end) == '-') ++end;
  if (text_.substr(end, 3) == "inf" || text_.substr(end, 3) == "nan") {
    const bool payload = text_.substr(start, 6) == "nan(0x";
    end += 3;
    if (payload) {
      end += 3;
      while (HexValue(at(end)) >= 0) ++end;
      if (at(end++) != ')') return Fail(start, "nan(0x...)");
    }
    pos_ = end;
    return Number{text_.substr(start, end - start), start, true};
  }
  if (!digit(end)) return FailHere("a number");
  while (digit(end)) ++end;
  bool is_float = false;
  if (at(end) == '.') {
    is_float = true;
    for (++end; digit(end);) ++end;
  }
  if (at(end) == 'e') {
    is_float = true;
    ++end;
    if (at(end) == '-' || at(end) == '+') ++end;
    while (digit(end)) ++end;
  }
  pos_ = end;
  return Number{text_.substr(start, end - start), start, is_float};
}

Result<int64_t> TextCursor::Int(const Number& n) const {
  int64_t v = 0;
  return ParseInt(n.text, &v) ? Result<int64_t>(v) : Fail(n.at, "a 64-bit integer");
}
Result<uint64_t> TextCursor::Unsigned(const Number& n) const {
  uint64_t v = 0;
  return ParseInt(n.text, &v) ? Result<uint64_t>(v) : Fail(n.at, "an unsigned 64-bit integer");
}
Result<double> TextCursor::Double(const Number& n) const {
  double v = 0;
  return ParseFloat<double, uint64_t>(n.text, &v) ? Result<double>(v) : Fail(n.at, "a float64 number");
}
Result<float> TextCursor::Float(const Number& n) const {
  float v = 0;
  return ParseFloat<float, uint32_t>(n.text, &v) ? Result<float>(v) : Fail(n.at, "a float32 number");
}

Result<int64_t> TextCursor::Int() {
  HST_ASSIGN_OR_RETURN(const Number n, NumberToken());
  return Int(n);
}
Result<uint64_t> TextCursor::Unsigned() {
  HST_ASSIGN_OR_RETURN(const Number n, NumberToken());
  return Unsigned(n);
}

std::string_view TextCursor::Until(std::string_view stops) {
  const size_t start = pos();
  size_t end = start;
  while (end < text_.size() && text_[end] != '\n' && stops.find(text_[end]) == std::string_view::npos) ++end;
  pos_ = end;
  return text_.substr(start, end - start);
}

std::string TextCursor::Position(size_t at) const {
  size_t line = 1, column = 1;
  for (size_t i = 0; i < at && i < text_.size(); ++i) {
    ++column;
    if (text_[i] == '\n') ++line, column = 1;
  }
  return StrCat(line, ":", column, ": ");
}

Status TextCursor::Error(size_t at, std::string_view message) const { return BadInput(Position(at), message); }

Status TextCursor::Fail(size_t at, std::string_view need) const {
  constexpr size_t kShown = 24;
  if (at >= text_.size()) return Error(at, StrCat("needed ", need, ", came the end of the text"));
  std::string_view came = text_.substr(at, kShown);
  came = came.substr(0, came.find('\n'));
  return Error(at, StrCat("needed ", need, ", came \"", came, "\""));
}

}  // namespace hasten::ir
