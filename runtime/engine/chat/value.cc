// Values: truth, equality, and Python's ways of writing them.
#include "runtime/engine/chat/value.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/decimal.h"
#include "runtime/base/status.h"
#include "runtime/engine/chat/text.h"

namespace hasten::chat {

void CheckNesting(int depth) {
  constexpr int kMaxNesting = 200;
  if (depth > kMaxNesting) throw TemplateError{StrCat("values nest more than ", kMaxNesting, " deep")};
}

namespace {

bool EqualsAt(const Value& a, const Value& b, int depth);

bool SameDict(const Dict& a, const Value& b, int depth) {
  if (a.size() != b.dict().size()) return false;
  return std::all_of(a.begin(), a.end(), [&](const auto& entry) {
    const Value* other = b.Find(entry.first);
    return other && EqualsAt(entry.second, *other, depth + 1);
  });
}

bool EqualsAt(const Value& a, const Value& b, int depth) {
  CheckNesting(depth);
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
    return a.number() == b.number();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kString: return a.string() == b.string();
    case Kind::kList:
    case Kind::kTuple:
      return std::equal(a.list().begin(), a.list().end(), b.list().begin(), b.list().end(),
                        [&](const Value& x, const Value& y) { return EqualsAt(x, y, depth + 1); });
    case Kind::kDict: return SameDict(a.dict(), b, depth);
    case Kind::kObject: return a.object() == b.object();
    case Kind::kUndefined: case Kind::kNone: case Kind::kBool: case Kind::kInt: case Kind::kFloat: break;
  }
  return true;
}

std::string ReprAt(const Value& v, int depth) {
  CheckNesting(depth);
  switch (v.kind()) {
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "None";
    case Kind::kBool: return v.integer() ? "True" : "False";
    case Kind::kInt: return std::to_string(v.integer());
    case Kind::kFloat: return FloatRepr(v.number());
    case Kind::kString: return StringRepr(v.string());
    case Kind::kList:
    case Kind::kTuple: {
      const bool tuple = v.kind() == Kind::kTuple;
      std::string out(1, tuple ? '(' : '[');
      for (size_t i = 0; i < v.list().size(); ++i) out += (i ? ", " : "") + ReprAt(v.list()[i], depth + 1);
      if (tuple && v.list().size() == 1) out += ',';
      return out + (tuple ? ')' : ']');
    }
    case Kind::kDict: {
      std::string out = "{";
      for (const auto& [key, value] : v.dict())
        out += (out.size() > 1 ? ", " : "") + ReprAt(key, depth + 1) + ": " + ReprAt(value, depth + 1);
      return out + "}";
    }
    case Kind::kObject: return StrCat("<", v.object()->type_name(), ">");
  }
  return {};
}

}  // namespace

Value Value::Tuple(List items) {
  Value v(std::move(items));
  v.kind_ = Kind::kTuple;
  return v;
}

Value Value::Markup(std::string s) {
  Value v(std::move(s));
  v.integer_ = 1;
  return v;
}

Value Value::Undefined(std::string name) {
  Value v(std::move(name));
  v.kind_ = Kind::kUndefined;
  return v;
}

bool Value::Truth() const {
  switch (kind()) {
    case Kind::kUndefined: case Kind::kNone: return false;
    case Kind::kBool: case Kind::kInt: return integer() != 0;
    case Kind::kFloat: return number() != 0;
    case Kind::kString: return !string().empty();
    case Kind::kList: case Kind::kTuple: return !list().empty();
    case Kind::kDict: return !dict().empty();
    case Kind::kObject: return true;
  }
  return false;
}

bool Value::Equals(const Value& other) const { return EqualsAt(*this, other, 0); }

const Value* Value::Find(std::string_view key) const {
  for (const auto& [k, v] : dict())
    if (k.is_string() && k.string() == key) return &v;
  return nullptr;
}

const Value* Value::Find(const Value& key) const {
  for (const auto& [k, v] : dict())
    if (k.Equals(key)) return &v;
  return nullptr;
}

std::string_view Value::TypeName() const {
  switch (kind()) {
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return "str";
    case Kind::kList: return "list";
    case Kind::kTuple: return "tuple";
    case Kind::kDict: return "dict";
    case Kind::kObject: return object()->type_name();
  }
  return "";
}

std::string Value::Repr() const { return ReprAt(*this, 0); }

std::string Value::Str() const {
  if (is_string()) return string();
  return is_undefined() ? "" : Repr();
}

// Shortest digits that read back the same, laid out as CPython's repr does:
// exponents only below 1e-4 and from 1e16.
std::string FloatRepr(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d > 0 ? "inf" : "-inf";
  const auto [negative, digits, exponent] = ShortestDecimal(d);
  const std::string sign = negative ? "-" : "";
  const auto count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    const int magnitude = std::abs(exponent);
    return sign + digits.substr(0, 1) + (count > 1 ? "." + digits.substr(1) : "") + (exponent < 0 ? "e-" : "e+") +
           (magnitude < 10 ? "0" : "") + std::to_string(magnitude);
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (count <= exponent + 1) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string StringRepr(std::string_view s) {
  const bool use_double = s.find('\'') != s.npos && s.find('"') == s.npos;
  const char quote = use_double ? '"' : '\'';
  std::string out(1, quote);
  const auto hex = [&](char kind, uint32_t c, int digits) {
    constexpr char kHex[] = "0123456789abcdef";
    out += '\\';
    out += kind;
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += kHex[c >> shift & 15];
  };
  tok::ForEachChar(s, [&](uint32_t c, size_t at, size_t n) {
    if (c == static_cast<uint32_t>(quote) || c == '\\') out += '\\', out += static_cast<char>(c);
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (IsPrintable(c)) out.append(s.substr(at, n));
    else if (c < 0x100) hex('x', c, 2);
    else if (c < 0x10000) hex('u', c, 4);
    else hex('U', c, 8);
  });
  return out + quote;
}

}  // namespace hasten::chat
