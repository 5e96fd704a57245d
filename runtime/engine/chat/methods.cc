// Methods of strings, lists and dicts. Those that would change their object are
// refused, as in Jinja's immutable sandbox, in which transformers renders.
#include <algorithm>

#include "runtime/engine/chat/interpreter.h"
#include "runtime/engine/chat/text.h"

namespace hasten::chat {
namespace {

using MethodFn = Value (*)(Interpreter&, const Value& self, const CallArgs&);
using Method = std::pair<std::string_view, MethodFn>;

Value FromStrings(Interpreter& in, const std::vector<std::string>& parts) {
  List out(parts.begin(), parts.end());
  in.Charge(out.size() * sizeof(Value));
  return Value(std::move(out));
}

template <bool left, bool right>
Value StripMethod(Interpreter&, const Value& self, const CallArgs& args) {
  const Args a("strip", args, {"chars"});
  const Value* chars = a.Find(0) && !a.Find(0)->is_none() ? a.Find(0) : nullptr;
  if (chars && !chars->is_string()) Fail("strip: arg must be None or str");
  return Like(self, std::string(Strip(self.string(), left, right, chars ? &chars->string() : nullptr)));
}

template <std::string (*f)(std::string_view)>
Value MapMethod(Interpreter&, const Value& self, const CallArgs& args) {
  const Args none("this string method", args, {});
  return Like(self, f(self.string()));
}

// Whether every character is of the class, and there is one.
template <bool (*is)(uint32_t)>
Value AllMethod(Interpreter&, const Value& self, const CallArgs& args) {
  const Args none("this string method", args, {});
  bool all = !self.string().empty();
  tok::ForEachChar(self.string(), [&](uint32_t c, size_t, size_t) { all &= is(c); });
  return all;
}
bool IsAlnum(uint32_t c) { return IsAlpha(c) || tok::IsNumeric(c); }

template <bool from_right>
Value SplitMethod(Interpreter& in, const Value& self, const CallArgs& args) {
  const Args a("split", args, {"sep", "maxsplit"});
  const int64_t limit = a.Integer(1, -1);
  if (!a.Find(0) || a.Find(0)->is_none()) return FromStrings(in, SplitSpaces(self.string(), limit, from_right));
  if (!a.Find(0)->is_string()) Fail(StrCat("split: must be str or None, not ", a.Find(0)->TypeName()));
  const std::string& separator = a.Find(0)->string();
  if (separator.empty()) Fail("split: empty separator");
  return FromStrings(in, SplitBy(self.string(), separator, limit, from_right));
}

Value SplitLinesMethod(Interpreter& in, const Value& self, const CallArgs& args) {
  const Args a("splitlines", args, {"keepends"});
  return FromStrings(in, SplitLines(self.string(), a.Flag(0, false)));
}

template <bool from_right>
Value PartitionMethod(Interpreter&, const Value& self, const CallArgs& args) {
  const Args a("partition", args, {"sep"});
  const std::string& s = self.string();
  const std::string separator = a.Need(0).Str();
  if (separator.empty()) Fail("partition: empty separator");
  const size_t at = from_right ? s.rfind(separator) : s.find(separator);
  if (at == std::string::npos)
    return Value::Tuple(from_right ? List{"", "", self} : List{self, "", ""});
  return Value::Tuple({s.substr(0, at), separator, s.substr(at + separator.size())});
}

template <bool start>
Value AffixMethod(Interpreter&, const Value& self, const CallArgs& args) {
  const Args a(start ? "startswith" : "endswith", args, {"prefix"});
  const auto is = [&](const Value& v) {
    if (!v.is_string()) Fail(StrCat(start ? "startswith" : "endswith", ": first arg must be str or a tuple of str, not ", v.TypeName()));
    return start ? self.string().starts_with(v.string()) : self.string().ends_with(v.string());
  };
  const Value& what = a.Need(0);
  if (what.kind() == Kind::kTuple) return std::any_of(what.list().begin(), what.list().end(), is);
  return is(what);
}

template <bool prefix>
Value RemoveMethod(Interpreter&, const Value& self, const CallArgs& args) {
  const Args a("removeprefix", args, {"affix"});
  const std::string affix = a.Need(0).Str();
  const std::string& s = self.string();
  if (prefix) return s.starts_with(affix) ? s.substr(affix.size()) : s;
  return s.ends_with(affix) ? s.substr(0, s.size() - affix.size()) : s;
}

Value ReplaceMethod(Interpreter& in, const Value& self, const CallArgs& args) {
  const Args a("replace", args, {"old", "new", "count"});
  const Value &what = a.Need(0), &with = a.Need(1);
  if (!what.is_string() || !with.is_string()) Fail("replace: arguments must be str");
  // The longest that it can become, before it does.
  const uint64_t matches = what.string().empty() ? self.string().size() + 1 : self.string().size() / what.string().size();
  in.Charge(self.string().size() + matches * with.string().size());
  return Replace(self.string(), what.string(), with.string(), a.Integer(2, -1));
}

// The position in characters, -1 when it is not there.
template <bool from_right>
Value FindMethod(Interpreter& in, const Value& self, const CallArgs& args) {
  const Args a("find", args, {"sub"});
  in.Charge(self.string().size());
  const std::string what = a.Need(0).Str();
  const size_t at = from_right ? self.string().rfind(what) : self.string().find(what);
  if (at == std::string::npos) return -1;
  return static_cast<int64_t>(tok::CountChars(std::string_view(self.string()).substr(0, at)));
}

Value IndexMethod(Interpreter& in, const Value& self, const CallArgs& args) {
  if (self.is_string()) {
    Value at = FindMethod<false>(in, self, args);
    if (at.integer() < 0) Fail("substring not found");
    return at;
  }
  const Args a("index", args, {"value"});
  const auto found = std::find_if(self.list().begin(), self.list().end(), [&](const Value& v) { return v.Equals(a.Need(0)); });
  if (found == self.list().end()) Fail(StrCat(a.Need(0).Repr(), " is not in list"));
  return static_cast<int64_t>(found - self.list().begin());
}

Value CountMethod(Interpreter& in, const Value& self, const CallArgs& args) {
  const Args a("count", args, {"value"});
  if (self.is_sequence())
    return static_cast<int64_t>(std::count_if(self.list().begin(), self.list().end(),
                                              [&](const Value& v) { return v.Equals(a.Need(0)); }));
  in.Charge(self.string().size());
  const std::string what = a.Need(0).Str();
  if (what.empty()) return static_cast<int64_t>(tok::CountChars(self.string())) + 1;
  int64_t n = 0;
  for (size_t at = 0; (at = self.string().find(what, at)) != std::string::npos; at += what.size()) ++n;
  return n;
}

Value JoinMethod(Interpreter& in, const Value& self, const CallArgs& args) {
  const Args a("join", args, {"iterable"});
  std::string out;
  bool first = true;
  for (const Value& v : in.Iterate(a.Need(0))) {
    if (!v.is_string()) Fail(StrCat("join: expected str instance, ", v.TypeName(), " found"));
    if (!first) out += self.string();
    first = false;
    in.Charge(out.size() + v.string().size());
    out += v.string();
  }
  return out;
}

Value FormatMethod(Interpreter& in, const Value& self, const CallArgs& args) {
  std::string out = FormatBraces(self.string(), args);
  in.Charge(out.size());
  return out;
}

template <int side>  // -1: rjust, 1: ljust, 0: zfill
Value PadMethod(Interpreter& in, const Value& self, const CallArgs& args) {
  const Args a("this string method", args, {"width", "fill"});
  const int64_t width = a.Integer(0, 0), have = static_cast<int64_t>(tok::CountChars(self.string()));
  const std::string fill = side == 0 ? "0" : a.Text(1, " ");
  if (tok::CountChars(fill) != 1) Fail("the fill character must be exactly one character long");
  if (width <= have) return self;
  in.Charge(static_cast<uint64_t>(width - have) * fill.size());
  std::string padding;
  for (int64_t i = have; i < width; ++i) padding += fill;
  const std::string& s = self.string();
  if (side > 0) return s + padding;
  const bool sign = side == 0 && !s.empty() && (s[0] == '-' || s[0] == '+');
  return sign ? s.substr(0, 1) + padding + s.substr(1) : padding + s;
}

Value Items(Interpreter& in, const Value& self, const CallArgs& args) {
  const Args none("items", args, {});
  List out;
  for (const auto& [key, value] : self.dict()) out.push_back(Value::Tuple({key, value}));
  in.Charge(out.size() * 3 * sizeof(Value));
  return Value(std::move(out));
}

template <bool keys>
Value KeysOrValues(Interpreter& in, const Value& self, const CallArgs& args) {
  const Args none(keys ? "keys" : "values", args, {});
  List out;
  for (const auto& [key, value] : self.dict()) out.push_back(keys ? key : value);
  in.Charge(out.size() * sizeof(Value));
  return Value(std::move(out));
}

Value Get(Interpreter&, const Value& self, const CallArgs& args) {
  const Args a("get", args, {"key", "default"});
  const Value& key = a.Need(0);
  if (key.kind() == Kind::kList || key.is_dict()) Fail(StrCat("unhashable type: '", key.TypeName(), "'"));
  const Value* found = self.Find(key);
  return found ? *found : a.Or(1, nullptr);
}

Value Copy(Interpreter&, const Value& self, const CallArgs& args) {
  const Args none("copy", args, {});
  return self;
}

Value Refused(Interpreter&, const Value&, const CallArgs&) {
  throw TemplateError{"a method that changes its object is not supported: templates must not change their inputs", true};
}

constexpr Method kStringMethods[] = {
    {"strip", StripMethod<true, true>}, {"lstrip", StripMethod<true, false>}, {"rstrip", StripMethod<false, true>},
    {"split", SplitMethod<false>}, {"rsplit", SplitMethod<true>}, {"splitlines", SplitLinesMethod},
    {"partition", PartitionMethod<false>}, {"rpartition", PartitionMethod<true>},
    {"startswith", AffixMethod<true>}, {"endswith", AffixMethod<false>},
    {"removeprefix", RemoveMethod<true>}, {"removesuffix", RemoveMethod<false>},
    {"upper", MapMethod<Upper>}, {"lower", MapMethod<Lower>}, {"title", MapMethod<Title>},
    {"capitalize", MapMethod<Capitalize>}, {"replace", ReplaceMethod}, {"find", FindMethod<false>},
    {"rfind", FindMethod<true>}, {"index", IndexMethod}, {"count", CountMethod}, {"join", JoinMethod},
    {"format", FormatMethod}, {"ljust", PadMethod<1>}, {"rjust", PadMethod<-1>}, {"zfill", PadMethod<0>},
    {"isspace", AllMethod<IsSpace>}, {"isdigit", AllMethod<IsDigit>}, {"isalpha", AllMethod<IsAlpha>},
    {"isalnum", AllMethod<IsAlnum>}, {"isnumeric", AllMethod<tok::IsNumeric>}};

constexpr Method kListMethods[] = {{"index", IndexMethod}, {"count", CountMethod}, {"copy", Copy},
                                   {"append", Refused}, {"extend", Refused}, {"insert", Refused}, {"pop", Refused},
                                   {"remove", Refused}, {"clear", Refused}, {"sort", Refused}, {"reverse", Refused}};
constexpr Method kTupleMethods[] = {{"index", IndexMethod}, {"count", CountMethod}};
constexpr Method kDictMethods[] = {{"items", Items}, {"keys", KeysOrValues<true>}, {"values", KeysOrValues<false>},
                                   {"get", Get}, {"copy", Copy}, {"pop", Refused}, {"popitem", Refused},
                                   {"update", Refused}, {"setdefault", Refused}, {"clear", Refused}};

MethodFn FindMethodOf(const Value& v, std::string_view name) {
  const auto find = [&](const auto& table) -> MethodFn {
    for (const auto& [n, f] : table)
      if (n == name) return f;
    return nullptr;
  };
  switch (v.kind()) {
    case Kind::kString: return find(kStringMethods);
    case Kind::kList: return find(kListMethods);
    case Kind::kTuple: return find(kTupleMethods);
    case Kind::kDict: return find(kDictMethods);
    default: return nullptr;
  }
}

}  // namespace

bool HasMethod(const Value& v, std::string_view name) { return FindMethodOf(v, name) != nullptr; }

Value CallMethod(Interpreter& in, const Value& self, const std::string& name, const CallArgs& args) {
  const MethodFn method = FindMethodOf(self, name);
  if (!method) Fail(StrCat("'", self.TypeName(), "' has no method \"", name, "\""));
  if (self.is_string()) in.Charge(self.string().size());
  return method(in, self, args);
}

}  // namespace hasten::chat
