// The lexical level of the textual IR: a position in the text, white space and
// comments, names, strings and numbers, and errors that say line and column.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace hasten::ir {

class TextCursor {
 public:
  explicit TextCursor(std::string_view text) : text_(text) {}

  void Skip();                                   // white space and comments
  bool AtEnd();
  size_t pos();                                  // of the next token
  bool Peek(std::string_view token);             // the next characters, no word boundary asked
  bool Take(std::string_view token);             // consumes a punctuation if it is next
  bool PeekWord(std::string_view word);          // as Peek, but the whole word must match
  bool TakeWord(std::string_view word);
  Status Need(std::string_view token);
  Status NeedWord(std::string_view word);

  Result<std::string> Name();                    // bare or quoted
  Result<std::string> Word();                    // bare or quoted
  Result<std::string> String();                  // "..." with escapes
  // The characters of a number, inf, nan or nan(0x..); `is_float` says how it looks.
  struct Number {
    std::string_view text;
    size_t at;
    bool is_float;
  };
  Result<Number> NumberToken();
  Result<int64_t> Int();
  Result<uint64_t> Unsigned();
  Result<double> Double(const Number& n) const;
  Result<float> Float(const Number& n) const;
  Result<int64_t> Int(const Number& n) const;
  Result<uint64_t> Unsigned(const Number& n) const;
  // The text up to (not with) one of `stops`, on one line.
  std::string_view Until(std::string_view stops);

  // "line:column: needed `need`, came <what is at `at`>".
  Status Fail(size_t at, std::string_view need) const;
  Status FailHere(std::string_view need) { return Fail(pos(), need); }
  // "line:column: message".
  Status Error(size_t at, std::string_view message) const;

 private:
  std::string Position(size_t at) const;
  template <class Pred>
  Result<std::string> BareOrQuoted(Pred is_char, std::string_view what);

  std::string_view text_;
  size_t pos_ = 0;
};

}  // namespace hasten::ir
