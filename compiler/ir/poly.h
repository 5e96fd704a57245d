// Integer polynomials over named symbols: symbolic dimensions ("P + S",
// "2*B*S") and, in recognition, tensor indices. Canonical form: two polynomials
// are equal exactly when they compare equal.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::ir {

class Poly {
 public:
  // A product of symbols, sorted; empty is the constant term.
  using Monomial = std::vector<std::string>;

  Poly() = default;                       // 0
  Poly(int64_t c) { if (c) terms_[{}] = c; }  // NOLINT: implicit on purpose
  static Poly Symbol(std::string name);

  bool IsConst() const { return terms_.empty() || (terms_.size() == 1 && terms_.begin()->first.empty()); }
  int64_t ConstTerm() const;              // the constant term (0 if none)
  std::optional<int64_t> AsConst() const { return IsConst() ? std::optional<int64_t>(ConstTerm()) : std::nullopt; }
  const std::map<Monomial, int64_t>& terms() const { return terms_; }
  bool Uses(std::string_view symbol) const;
  std::vector<std::string> Symbols() const;  // each once, sorted

  friend Poly operator+(const Poly& a, const Poly& b);
  friend Poly operator-(const Poly& a, const Poly& b);
  friend Poly operator*(const Poly& a, const Poly& b);
  Poly operator-() const { return Poly(0) - *this; }
  friend bool operator==(const Poly& a, const Poly& b) = default;
  friend auto operator<=>(const Poly& a, const Poly& b) { return a.terms_ <=> b.terms_; }

  // a / b when it divides exactly as polynomials by a single-term b (or equal polynomials).
  static std::optional<Poly> DivideExact(const Poly& a, const Poly& b);
  Poly Substitute(std::string_view symbol, const Poly& value) const;
  // The value under an assignment; nullopt when a symbol has none.
  std::optional<int64_t> Eval(const std::map<std::string, int64_t, std::less<>>& env) const;

  // "0", "P + S", "2*B*S - 1"; ParsePoly reads it back.
  std::string ToString() const;

 private:
  void Add(const Monomial& m, int64_t c);
  std::map<Monomial, int64_t> terms_;
};

// Bounded in length and terms; kBadInput says at which character.
Result<Poly> ParsePoly(std::string_view text);

}  // namespace hasten::ir
