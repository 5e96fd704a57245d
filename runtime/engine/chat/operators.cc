// Python's operators on template values, and its two ways of string formatting.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "runtime/engine/chat/interpreter.h"
#include "runtime/engine/chat/text.h"

namespace hasten::chat {
namespace {

[[noreturn]] void FailOperands(std::string_view op, const Value& a, const Value& b) {
  for (const Value* v : {&a, &b})
    if (v->is_undefined())
      Fail(v->undefined_name().find(' ') == std::string::npos ? StrCat("'", v->undefined_name(), "' is undefined")
                                                              : v->undefined_name());
  Fail(StrCat("unsupported operand types for ", op, ": '", a.TypeName(), "' and '", b.TypeName(), "'"));
}

std::string_view OpName(Op op) {
  constexpr std::string_view kNames[] = {"+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  return kNames[static_cast<size_t>(op)];
}

int64_t FloorDiv(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

double FloorMod(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

Value Integers(Op op, int64_t a, int64_t b) {
  int64_t r = 0;
  bool overflow = false;
  switch (op) {
    case Op::kAdd: overflow = __builtin_add_overflow(a, b, &r); break;
    case Op::kSub: overflow = __builtin_sub_overflow(a, b, &r); break;
    case Op::kMul: overflow = __builtin_mul_overflow(a, b, &r); break;
    case Op::kDiv:
      if (b == 0) Fail("division by zero");
      return static_cast<double>(a) / static_cast<double>(b);
    case Op::kFloorDiv:
    case Op::kMod:
      if (b == 0) Fail("integer division or modulo by zero");
      overflow = a == INT64_MIN && b == -1;
      if (!overflow) r = op == Op::kFloorDiv ? FloorDiv(a, b) : a - FloorDiv(a, b) * b;
      break;
    case Op::kPow:
      if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
      r = 1;
      // |a| <= 1 would loop long for nothing; anything else overflows soon.
      if (a == 0 || a == 1) return b == 0 ? int64_t{1} : a;
      if (a == -1) return b % 2 ? int64_t{-1} : int64_t{1};
      for (; b > 0 && !overflow; --b) overflow = __builtin_mul_overflow(r, a, &r);
      break;
    default: break;
  }
  if (overflow) throw TemplateError{StrCat("a number beyond 64 bits in \"", OpName(op), "\" is not supported"), true};
  return r;
}

Value Floats(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd: return a + b;
    case Op::kSub: return a - b;
    case Op::kMul: return a * b;
    case Op::kPow: return std::pow(a, b);
    default: break;
  }
  if (b == 0) Fail("float division by zero");
  if (op == Op::kDiv) return a / b;
  return op == Op::kFloorDiv ? std::floor(a / b) : FloorMod(a, b);
}

Value Repeat(Interpreter& in, const Value& v, int64_t times) {
  const uint64_t n = times < 0 ? 0 : static_cast<uint64_t>(times);
  const uint64_t unit = v.is_string() ? v.string().size() : v.list().size() * sizeof(Value);
  // Charged before it is made.
  uint64_t bytes = 0;
  in.Charge(__builtin_mul_overflow(unit, n, &bytes) ? UINT64_MAX : bytes);
  if (v.is_string()) {
    std::string out;
    for (uint64_t i = 0; unit > 0 && i < n; ++i) out += v.string();
    return out;
  }
  List out;
  for (uint64_t i = 0; unit > 0 && i < n; ++i) out.insert(out.end(), v.list().begin(), v.list().end());
  return v.kind() == Kind::kTuple ? Value::Tuple(std::move(out)) : Value(std::move(out));
}

Value Add(Interpreter& in, const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) {
    in.Charge(a.string().size() + b.string().size());
    if (!a.is_markup() && !b.is_markup()) return a.string() + b.string();
    const auto text = [](const Value& v) { return v.is_markup() ? v.string() : EscapeHtml(v.string()); };
    return Value::Markup(text(a) + text(b));
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    in.Charge((a.list().size() + b.list().size()) * sizeof(Value));
    List out = a.list();
    out.insert(out.end(), b.list().begin(), b.list().end());
    return a.kind() == Kind::kTuple ? Value::Tuple(std::move(out)) : Value(std::move(out));
  }
  if (a.is_string() != b.is_string() && !a.is_undefined() && !b.is_undefined())
    Fail(StrCat("can only concatenate str (not \"", (a.is_string() ? b : a).TypeName(), "\") to str"));
  FailOperands("+", a, b);
}

}  // namespace

std::string EscapeHtml(std::string_view s) {
  std::string out;
  for (const char c : s) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&#34;";
    else if (c == '\'') out += "&#39;";
    else out += c;
  }
  return out;
}

Value Binary(Interpreter& in, Op op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return Integers(op, a.integer(), b.integer());
    return Floats(op, a.number(), b.number());
  }
  if (op == Op::kAdd) return Add(in, a, b);
  if (op == Op::kMul) {
    if ((a.is_string() || a.is_sequence()) && b.is_integer()) return Repeat(in, a, b.integer());
    if ((b.is_string() || b.is_sequence()) && a.is_integer()) return Repeat(in, b, a.integer());
  }
  if (op == Op::kMod && a.is_string()) {
    std::string out = FormatPercent(a.string(), b.kind() == Kind::kTuple ? b.list() : List{b});
    in.Charge(out.size());
    return out;
  }
  FailOperands(OpName(op), a, b);
}

bool Less(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number())
    return a.is_integer() && b.is_integer() ? a.integer() < b.integer() : a.number() < b.number();
  // Byte order of UTF-8 is code point order.
  if (a.is_string() && b.is_string()) return a.string() < b.string();
  if (a.is_sequence() && a.kind() == b.kind()) {
    const size_t n = std::min(a.list().size(), b.list().size());
    for (size_t i = 0; i < n; ++i)
      if (!a.list()[i].Equals(b.list()[i])) return Less(a.list()[i], b.list()[i]);
    return a.list().size() < b.list().size();
  }
  FailOperands("<", a, b);
}

bool Contains(const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kUndefined: return false;
    case Kind::kString:
      if (!item.is_string()) Fail(StrCat("'in <string>' requires string as left operand, not ", item.TypeName()));
      return container.string().find(item.string()) != std::string::npos;
    case Kind::kList: case Kind::kTuple:
      return std::any_of(container.list().begin(), container.list().end(), [&](const Value& v) { return v.Equals(item); });
    case Kind::kDict:
      if (item.kind() == Kind::kList || item.is_dict()) Fail(StrCat("unhashable type: '", item.TypeName(), "'"));
      return container.Find(item) != nullptr;
    default: Fail(StrCat("argument of type '", container.TypeName(), "' is not iterable"));
  }
}

bool Compare(Op op, const Value& a, const Value& b) {
  switch (op) {
    case Op::kEq: return a.Equals(b);
    case Op::kNe: return !a.Equals(b);
    case Op::kLt: return Less(a, b);
    case Op::kGt: return Less(b, a);
    case Op::kLe: return a.Equals(b) || Less(a, b);
    case Op::kGe: return a.Equals(b) || Less(b, a);
    case Op::kIn: return Contains(b, a);
    case Op::kNotIn: return !Contains(b, a);
    default: return false;
  }
}

// %s, %r, %d, %i, %f, %x and %%, with a width, a precision and the flags "-", "0", "+".
std::string FormatPercent(const std::string& format, const List& args) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    std::string spec = "%";
    while (++i < format.size() && std::string_view("-0+ .123456789").find(format[i]) != std::string_view::npos) spec += format[i];
    if (i >= format.size()) Fail("incomplete format");
    const char kind = format[i];
    if (kind == '%') {
      out += '%';
      continue;
    }
    if (std::string_view("srdifx").find(kind) == std::string_view::npos || spec.size() > 8)
      throw TemplateError{StrCat("format \"", spec, kind, "\" is not supported"), true};
    if (next >= args.size()) Fail("not enough arguments for format string");
    const Value& v = args[next++];
    char buffer[512];
    if (kind == 's' || kind == 'r') {
      const std::string text = kind == 's' ? v.Str() : v.Repr();
      if (spec.size() > 1) throw TemplateError{StrCat("format \"", spec, kind, "\" is not supported"), true};
      out += text;
      continue;
    }
    if (!v.is_number()) Fail(StrCat("%", kind, " format: a number is required, not ", v.TypeName()));
    int n = 0;
    if (kind == 'f') {
      n = std::snprintf(buffer, sizeof buffer, (spec + "f").c_str(), v.number());
    } else {
      const auto integer = v.is_integer() ? v.integer() : static_cast<int64_t>(std::clamp(v.number(), -9e18, 9e18));
      n = std::snprintf(buffer, sizeof buffer, (spec + (kind == 'x' ? "lx" : "ld")).c_str(), static_cast<long>(integer));
    }
    if (n < 0 || n >= static_cast<int>(sizeof buffer)) Fail("a formatted number is too long");
    out.append(buffer, static_cast<size_t>(n));
  }
  if (next < args.size()) Fail("not all arguments converted during string formatting");
  return out;
}

// "{}", "{0}" and "{name}", without format specifications.
std::string FormatBraces(const std::string& format, const CallArgs& args) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if ((c == '{' || c == '}') && i + 1 < format.size() && format[i + 1] == c) {
      out += c;
      ++i;
      continue;
    }
    if (c == '}') Fail("Single '}' encountered in format string");
    if (c != '{') {
      out += c;
      continue;
    }
    const size_t end = format.find('}', i);
    if (end == std::string::npos) Fail("expected '}' before end of string");
    const std::string field = format.substr(i + 1, end - i - 1);
    i = end;
    if (field.find_first_of(":!.[{") != std::string::npos)
      throw TemplateError{StrCat("format field \"{", field, "}\" is not supported"), true};
    const bool number = field.find_first_not_of("0123456789") == std::string::npos;
    if (number) {
      const size_t index = field.empty() ? next++ : std::stoul(field.substr(0, 6));
      if (index >= args.positional.size()) Fail("Replacement index out of range for positional args");
      out += args.positional[index].Str();
      continue;
    }
    const auto found = std::find_if(args.named.begin(), args.named.end(), [&](const auto& a) { return a.first == field; });
    if (found == args.named.end()) Fail(StrCat("format: no argument \"", field, "\""));
    out += found->second.Str();
  }
  return out;
}

}  // namespace hasten::chat
