// The lexer: text between tags, then the tokens inside each tag.
#include "runtime/engine/chat/lexer.h"

#include <algorithm>

#include "runtime/base/status.h"
#include "runtime/engine/chat/text.h"
#include "runtime/engine/chat/value.h"

namespace hasten::chat {
namespace {

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigitChar(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string source) : s_(std::move(source)) {}

  std::vector<Token> Run() {
    while (at_ < s_.size()) {
      const size_t tag = FindTag();
      if (tag == std::string::npos) {
        Text(s_.size(), ' ', false);
        break;
      }
      const char kind = s_[tag + 1];
      const char sign = tag + 2 < s_.size() && (s_[tag + 2] == '-' || s_[tag + 2] == '+') ? s_[tag + 2] : ' ';
      Text(tag, sign, kind != '{');
      at_ = tag + (sign == ' ' ? 2 : 3);
      if (kind == '#') Comment();
      else if (kind == '%' && RawBegins()) Raw();
      else Tag(kind == '%');
    }
    Add(TokenKind::kEnd, "");
    return std::move(out_);
  }

 private:
  [[noreturn]] void Fail(std::string_view what) const { throw TemplateError{StrCat("line ", line_, ": ", what)}; }
  void Add(TokenKind kind, std::string text) { out_.push_back({kind, line_, std::move(text)}); }

  size_t FindTag() const {
    for (size_t i = at_; i + 1 < s_.size(); ++i)
      if (s_[i] == '{' && (s_[i + 1] == '{' || s_[i + 1] == '%' || s_[i + 1] == '#')) return i;
    return std::string::npos;
  }

  // Emits the text up to `end`, without what the tag after it strips.
  void Text(size_t end, char sign, bool lstrip) {
    std::string_view text = std::string_view(s_).substr(at_, end - at_);
    const bool last = end == s_.size();
    const auto lines = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    if (!last && sign == '-') {
      text = Strip(text, false, true);
    } else if (!last && sign != '+' && lstrip) {
      const size_t newline = text.rfind('\n');
      const size_t start = newline == text.npos ? 0 : newline + 1;
      const std::string_view blank = text.substr(start);
      if ((start > 0 || line_starting_) && !blank.empty() && Strip(blank, true, false).empty()) text = text.substr(0, start);
    }
    if (!text.empty()) Add(TokenKind::kText, std::string(text));
    line_ += lines;
    at_ = end;
  }

  // After a tag: "-" eats all whitespace, else a block or comment eats one newline.
  void AfterTag(bool minus, bool eat_newline) {
    const size_t begin = at_;
    if (minus) {
      const std::string_view rest = std::string_view(s_).substr(at_);
      at_ += rest.size() - Strip(rest, true, false).size();
    } else if (eat_newline && at_ < s_.size() && s_[at_] == '\n') {
      ++at_;
    }
    line_ += static_cast<int>(std::count(s_.begin() + static_cast<ptrdiff_t>(begin), s_.begin() + static_cast<ptrdiff_t>(at_), '\n'));
    line_starting_ = at_ > begin && s_[at_ - 1] == '\n';
  }

  void Comment() {
    const size_t end = s_.find("#}", at_);
    if (end == std::string::npos) Fail("a comment is not closed");
    line_ += static_cast<int>(std::count(s_.begin() + static_cast<ptrdiff_t>(at_), s_.begin() + static_cast<ptrdiff_t>(end), '\n'));
    const char sign = end > at_ ? s_[end - 1] : ' ';
    at_ = end + 2;
    AfterTag(sign == '-', sign != '+');
  }

  size_t SkipSpaces(size_t i) const {
    while (i < s_.size() && (s_[i] == ' ' || (s_[i] >= '\t' && s_[i] <= '\r'))) ++i;
    return i;
  }

  // At "{%": whether this is the tag `raw` or `endraw`; *end is behind its "%}".
  bool WordTag(size_t i, std::string_view word, size_t* end, char* sign) const {
    i = SkipSpaces(i);
    if (s_.compare(i, word.size(), word) != 0) return false;
    i = SkipSpaces(i + word.size());
    *sign = i < s_.size() && (s_[i] == '-' || s_[i] == '+') ? s_[i] : ' ';
    if (*sign != ' ') ++i;
    if (s_.compare(i, 2, "%}") != 0) return false;
    *end = i + 2;
    return true;
  }
  bool RawBegins() const {
    size_t end = 0;
    char sign = 0;
    return WordTag(at_, "raw", &end, &sign);
  }

  void Raw() {
    size_t end = 0;
    char sign = 0;
    WordTag(at_, "raw", &end, &sign);
    at_ = end;
    AfterTag(sign == '-', sign != '+');
    for (size_t i = at_; (i = s_.find("{%", i)) != std::string::npos; ++i) {
      const char before = i + 2 < s_.size() && (s_[i + 2] == '-' || s_[i + 2] == '+') ? s_[i + 2] : ' ';
      if (!WordTag(i + (before == ' ' ? 2 : 3), "endraw", &end, &sign)) continue;
      Text(i, before, true);
      at_ = end;
      AfterTag(sign == '-', sign != '+');
      return;
    }
    Fail("{% raw %} is not closed");
  }

  void Tag(bool block) {
    Add(block ? TokenKind::kBlockBegin : TokenKind::kOutputBegin, "");
    const std::string_view close = block ? "%}" : "}}";
    std::string open;  // brackets not yet closed: "}}" inside a dict is no end
    for (;;) {
      if (at_ >= s_.size()) Fail(block ? "a {% tag is not closed" : "a {{ tag is not closed");
      const char c = s_[at_];
      if (c == '\n') ++line_;
      if (c == ' ' || (c >= '\t' && c <= '\r')) {
        ++at_;
        continue;
      }
      const bool sign = c == '-' || (c == '+' && block);
      if (open.empty() && s_.compare(at_ + sign, 2, close) == 0) {
        at_ += 2 + sign;
        Add(block ? TokenKind::kBlockEnd : TokenKind::kOutputEnd, "");
        AfterTag(c == '-', block && c != '+');
        return;
      }
      One(c, open);
    }
  }

  void One(char c, std::string& open) {
    if (IsNameStart(c)) {
      const size_t begin = at_;
      while (at_ < s_.size() && (IsNameStart(s_[at_]) || IsDigitChar(s_[at_]))) ++at_;
      Add(TokenKind::kName, s_.substr(begin, at_ - begin));
    } else if (IsDigitChar(c)) {
      Number();
    } else if (c == '"' || c == '\'') {
      String(c);
    } else {
      Operator(c, open);
    }
  }

  void Number() {
    const size_t begin = at_;
    const auto digits = [&] {
      while (at_ < s_.size() && (IsDigitChar(s_[at_]) || (s_[at_] == '_' && at_ + 1 < s_.size() && IsDigitChar(s_[at_ + 1])))) ++at_;
    };
    bool is_float = false;
    digits();
    if (at_ + 1 < s_.size() && s_[at_] == '.' && IsDigitChar(s_[at_ + 1])) {
      is_float = true;
      ++at_;
      digits();
    }
    if (at_ < s_.size() && (s_[at_] == 'e' || s_[at_] == 'E')) {
      size_t i = at_ + 1;
      if (i < s_.size() && (s_[i] == '+' || s_[i] == '-')) ++i;
      if (i < s_.size() && IsDigitChar(s_[i])) {
        is_float = true;
        at_ = i;
        digits();
      }
    }
    std::string text = s_.substr(begin, at_ - begin);
    std::erase(text, '_');
    if (at_ < s_.size() && IsNameStart(s_[at_])) Fail(StrCat("number \"", text, s_[at_], "\" is not supported"));
    if (!is_float && text.size() > 1 && text[0] == '0' && text.find_first_not_of('0') != text.npos)
      Fail(StrCat("number ", text, " has a leading zero"));
    Add(is_float ? TokenKind::kFloat : TokenKind::kInt, std::move(text));
  }

  void String(char quote) {
    std::string out;
    const int first_line = line_;
    size_t i = at_ + 1;
    for (;; ++i) {
      if (i >= s_.size()) Fail("a string is not closed");
      if (s_[i] == quote) break;
      if (s_[i] == '\n') ++line_;
      if (s_[i] == '\\' && i + 1 < s_.size()) i = Escape(i + 1, out);
      else out += s_[i];
    }
    at_ = i + 1;
    out_.push_back({TokenKind::kString, first_line, std::move(out)});
  }

  // Python's escapes; s_[i] follows the backslash. Returns the last index consumed.
  size_t Escape(size_t i, std::string& out) {
    const char c = s_[i];
    constexpr std::string_view kFrom = "ntr\\'\"abfv", kTo = "\n\t\r\\'\"\a\b\f\v";
    if (const size_t k = kFrom.find(c); k != kFrom.npos) {
      out += kTo[k];
    } else if (c == '\n') {
      ++line_;
    } else if (c >= '0' && c <= '7') {
      uint32_t v = 0;
      size_t n = 0;
      for (; n < 3 && i + n < s_.size() && s_[i + n] >= '0' && s_[i + n] <= '7'; ++n) v = v * 8 + static_cast<uint32_t>(s_[i + n] - '0');
      tok::AppendUtf8(out, v);
      return i + n - 1;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      return HexEscape(i, c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
    } else if (c == 'N') {
      throw TemplateError{StrCat("line ", line_, ": \\N{...} in a string is not supported"), true};
    } else {
      out += '\\';
      return i - 1;
    }
    return i;
  }

  size_t HexEscape(size_t i, size_t digits, std::string& out) {
    const auto read = [&](size_t from) {
      uint32_t v = 0;
      for (size_t k = 0; k < digits; ++k) {
        const char h = from + k < s_.size() ? s_[from + k] : ' ';
        const int d = h >= '0' && h <= '9' ? h - '0' : h >= 'a' && h <= 'f' ? h - 'a' + 10 : h >= 'A' && h <= 'F' ? h - 'A' + 10 : -1;
        if (d < 0) Fail(StrCat("bad \\", s_[i], " escape in a string"));
        v = v << 4 | static_cast<uint32_t>(d);
      }
      return v;
    };
    const uint32_t v = read(i + 1);
    if (v > 0x10FFFF || (v >= 0xD800 && v < 0xE000)) Fail(StrCat("\\", s_[i], " escape in a string is no character"));
    tok::AppendUtf8(out, v);
    return i + digits;
  }

  void Operator(char c, std::string& open) {
    constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    for (const std::string_view op : kTwo) {
      if (s_.compare(at_, 2, op) != 0) continue;
      Add(TokenKind::kOperator, std::string(op));
      at_ += 2;
      return;
    }
    if (std::string_view("+-*/%~[](){}<>=.:|,;").find(c) == std::string_view::npos) {
      int n = 0;
      const uint32_t code = tok::Utf8At(s_.data() + at_, &n);
      Fail(StrCat("unexpected character \"", s_.substr(at_, static_cast<size_t>(n)), "\" (", code, ") in a tag"));
    }
    if (c == '(' || c == '[' || c == '{') open += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) Fail(StrCat("unexpected \"", c, "\""));
      open.pop_back();
    }
    Add(TokenKind::kOperator, std::string(1, c));
    ++at_;
  }

  std::string s_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> out_;
};

}  // namespace

std::vector<Token> Lex(std::string_view source) {
  // Newlines are normalized, and one at the very end is dropped.
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return Lexer(std::move(text)).Run();
}

}  // namespace hasten::chat
