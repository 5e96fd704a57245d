#include "compiler/ir/poly.h"

#include <algorithm>
#include <cctype>

namespace hasten::ir {

Poly Poly::Symbol(std::string name) {
  Poly p;
  p.terms_[{std::move(name)}] = 1;
  return p;
}

int64_t Poly::ConstTerm() const {
  const auto it = terms_.find({});
  return it == terms_.end() ? 0 : it->second;
}

void Poly::Add(const Monomial& m, int64_t c) {
  if (c == 0) return;
  auto [it, inserted] = terms_.try_emplace(m, c);
  if (inserted) return;
  it->second = static_cast<int64_t>(static_cast<uint64_t>(it->second) + static_cast<uint64_t>(c));
  if (it->second == 0) terms_.erase(it);
}

bool Poly::Uses(std::string_view symbol) const {
  for (const auto& [m, c] : terms_)
    if (std::find(m.begin(), m.end(), symbol) != m.end()) return true;
  return false;
}

std::vector<std::string> Poly::Symbols() const {
  std::vector<std::string> out;
  for (const auto& [m, c] : terms_) out.insert(out.end(), m.begin(), m.end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Poly operator+(const Poly& a, const Poly& b) {
  Poly r = a;
  for (const auto& [m, c] : b.terms_) r.Add(m, c);
  return r;
}

Poly operator-(const Poly& a, const Poly& b) {
  Poly r = a;
  for (const auto& [m, c] : b.terms_) r.Add(m, static_cast<int64_t>(-static_cast<uint64_t>(c)));
  return r;
}

Poly operator*(const Poly& a, const Poly& b) {
  Poly r;
  for (const auto& [ma, ca] : a.terms_)
    for (const auto& [mb, cb] : b.terms_) {
      Poly::Monomial m = ma;
      m.insert(m.end(), mb.begin(), mb.end());
      std::sort(m.begin(), m.end());
      r.Add(m, static_cast<int64_t>(static_cast<uint64_t>(ca) * static_cast<uint64_t>(cb)));
    }
  return r;
}

std::optional<Poly> Poly::DivideExact(const Poly& a, const Poly& b) {
  if (b.terms_.empty()) return std::nullopt;
  if (a == b) return Poly(1);
  if (b.terms_.size() != 1) {  // a multi-term divisor: only constant multiples
    const auto& [m, c] = *b.terms_.begin();
    const auto it = a.terms_.find(m);
    if (it == a.terms_.end() || it->second % c) return std::nullopt;
    const Poly q(it->second / c);
    return q * b == a ? std::optional<Poly>(q) : std::nullopt;
  }
  const auto& [mb, cb] = *b.terms_.begin();
  Poly r;
  for (const auto& [m, c] : a.terms_) {
    if (c % cb || !std::includes(m.begin(), m.end(), mb.begin(), mb.end())) return std::nullopt;
    Monomial rest;
    std::set_difference(m.begin(), m.end(), mb.begin(), mb.end(), std::back_inserter(rest));
    r.Add(rest, c / cb);
  }
  return r;
}

Poly Poly::Substitute(std::string_view symbol, const Poly& value) const {
  Poly r;
  for (const auto& [m, c] : terms_) {
    Poly term(c);
    for (const std::string& s : m) term = term * (s == symbol ? value : Symbol(s));
    r = r + term;
  }
  return r;
}

std::optional<int64_t> Poly::Eval(const std::map<std::string, int64_t, std::less<>>& env) const {
  int64_t sum = 0;
  for (const auto& [m, c] : terms_) {
    int64_t term = c;
    for (const std::string& s : m) {
      const auto it = env.find(s);
      if (it == env.end() || __builtin_mul_overflow(term, it->second, &term)) return std::nullopt;
    }
    if (__builtin_add_overflow(sum, term, &sum)) return std::nullopt;
  }
  return sum;
}

std::string Poly::ToString() const {
  if (terms_.empty()) return "0";
  std::string out;
  const auto put = [&](const Monomial& m, int64_t c) {
    const uint64_t magnitude = c < 0 ? -static_cast<uint64_t>(c) : static_cast<uint64_t>(c);
    out += out.empty() ? (c < 0 ? "-" : "") : (c < 0 ? " - " : " + ");
    if (m.empty() || magnitude != 1) out += StrCat(magnitude);
    for (size_t i = 0; i < m.size(); ++i) out += StrCat(i || magnitude != 1 ? "*" : "", m[i]);
  };
  for (const auto& [m, c] : terms_)  // constants last, as people write
    if (!m.empty()) put(m, c);
  if (const int64_t c = ConstTerm()) put({}, c);
  return out;
}

Result<Poly> ParsePoly(std::string_view text) {
  constexpr size_t kMaxLength = 4096;
  if (text.size() > kMaxLength) return BadInput("a dimension expression is longer than ", kMaxLength, " characters");
  size_t i = 0;
  const auto skip = [&] { while (i < text.size() && text[i] == ' ') ++i; };
  const auto fail = [&](std::string_view need) { return BadInput("dimension \"", text, "\", character ", i + 1, ": ", need); };
  Poly sum;
  bool first = true;
  for (skip(); i < text.size(); skip()) {
    int64_t sign = 1;
    if (text[i] == '+' || text[i] == '-') {
      sign = text[i++] == '-' ? -1 : 1;
    } else if (!first) {
      return fail("needed + or -");
    }
    first = false;
    Poly term(sign);
    while (true) {
      skip();
      const size_t start = i;
      if (i < text.size() && std::isdigit(static_cast<unsigned char>(text[i]))) {
        int64_t v = 0;
        while (i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])))
          if (__builtin_mul_overflow(v, int64_t{10}, &v) || __builtin_add_overflow(v, text[i++] - '0', &v))
            return fail("the number is too large");
        term = term * Poly(v);
      } else {
        while (i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_' || text[i] == '.')) ++i;
        if (i == start) return fail("needed a name or a number");
        term = term * Poly::Symbol(std::string(text.substr(start, i - start)));
      }
      skip();
      if (i >= text.size() || text[i] != '*') break;
      ++i;
    }
    sum = sum + term;
  }
  if (first) return fail("is empty");
  return sum;
}

}  // namespace hasten::ir
