// Patterns of Split and Replace: a literal string, or an Oniguruma regular
// expression (Ruby syntax, UTF-8), which is what the `tokenizers` package uses.
// Patterns come from strangers: their size, retries and match stack are limited.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::tok {

// Part of a text, in bytes, and whether the pattern matched there.
struct Match {
  uint32_t begin, end;
  bool is_match;
};

class Pattern {
 public:
  // `where` names the component in errors. A pattern of more than 32 KiB is refused.
  static Result<Pattern> Compile(std::string_view text, bool is_regex, std::string_view where);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  // Cuts valid UTF-8 into matches and what lies between, in order, covering all
  // of it; an empty text gives one empty part that does not match. Fails when
  // the pattern needs more steps than a bound proportional to the text.
  Status Split(std::string_view text, std::vector<Match>& out) const;

 private:
  struct Regex;
  Pattern();
  Status SplitRegex(std::string_view text, std::vector<Match>& out) const;
  std::string literal_, where_;
  std::unique_ptr<Regex> regex_;  // null: the literal
};

}  // namespace hasten::tok
