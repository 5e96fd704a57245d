// Filters: what may follow "|". Each as jinja2.filters defines it, tojson as
// transformers does (plain json.dumps, nothing escaped for HTML).
#include <algorithm>
#include <charconv>
#include <cmath>

#include "runtime/engine/chat/interpreter.h"
#include "runtime/engine/chat/parser.h"
#include "runtime/engine/chat/text.h"

namespace hasten::chat {
namespace {

using FilterFn = Value (*)(Interpreter&, const Value&, const CallArgs&);

// "a.b.0" walked through an item, as map(attribute=...) and sort do.
Value Path(Interpreter& in, Value v, const Value& path) {
  if (!path.is_string()) return in.Item(v, path);
  for (const std::string& part : SplitBy(path.string(), ".", -1, false)) {
    const bool number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    v = in.Item(v, number ? Value(static_cast<int64_t>(std::stoll(part))) : Value(part));
  }
  return v;
}

template <std::string (*f)(std::string_view)>
Value TextFilter(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args none("filter", args, {});
  std::string text = v.Str();
  in.Charge(text.size());
  return Like(v, f(text));
}

Value ToString(Interpreter&, const Value& v, const CallArgs& args) {
  const Args none("string", args, {});
  return Like(v, v.Str());
}

Value Safe(Interpreter&, const Value& v, const CallArgs& args) {
  const Args none("safe", args, {});
  return Value::Markup(v.Str());
}

Value Escape(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args none("escape", args, {});
  std::string out = v.is_markup() ? v.string() : EscapeHtml(v.Str());
  in.Charge(out.size());
  return Value::Markup(std::move(out));
}

Value Trim(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("trim", args, {"chars"});
  const std::string text = v.Str();
  in.Charge(text.size());
  const bool given = a.Find(0) && !a.Find(0)->is_none();
  const std::string chars = given ? a.Find(0)->Str() : "";
  return Like(v, std::string(Strip(text, true, true, given ? &chars : nullptr)));
}

Value Length(Interpreter&, const Value& v, const CallArgs& args) {
  const Args none("length", args, {});
  switch (v.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString: return static_cast<int64_t>(tok::CountChars(v.string()));
    case Kind::kList: case Kind::kTuple: return static_cast<int64_t>(v.list().size());
    case Kind::kDict: return static_cast<int64_t>(v.dict().size());
    default: Fail(StrCat("object of type '", v.TypeName(), "' has no len()"));
  }
}

Value Default(Interpreter&, const Value& v, const CallArgs& args) {
  const Args a("default", args, {"default_value", "boolean"});
  const bool use = v.is_undefined() || (a.Flag(1, false) && !v.Truth());
  return use ? a.Or(0, "") : v;
}

Value Join(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("join", args, {"d", "attribute"});
  const std::string between = a.Text(0, "");
  std::string out;
  bool first = true;
  for (Value& item : in.Iterate(v)) {
    if (a.Find(1) && !a.Find(1)->is_none()) item = Path(in, item, *a.Find(1));
    if (!first) out += between;
    first = false;
    out += item.Str();
    in.Charge(between.size());
    if (out.size() > 4096) in.Charge(out.size() / 4096);
  }
  in.Charge(out.size());
  return out;
}

template <bool first>
Value End(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args none(first ? "first" : "last", args, {});
  List items = in.Iterate(v);
  if (items.empty()) return Value::Undefined("No first or last item, sequence was empty.");
  return first ? items.front() : items.back();
}

Value ToList(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args none("list", args, {});
  return Value(in.Iterate(v));
}

Value ItemsFilter(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args none("items", args, {});
  if (v.is_undefined()) return Value(List());
  if (!v.is_dict()) Fail("Can only get item pairs from a mapping.");
  return CallMethod(in, v, "items", {});
}

Value Json(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = a.Flag(0, false);
  style.sort_keys = a.Flag(3, false);
  if (a.Find(1) && !a.Find(1)->is_none()) {
    style.indent = static_cast<int>(std::clamp<int64_t>(a.Integer(1, 0), 0, 64));
    style.item_separator.assign(1, ',');
  }
  if (a.Find(2) && !a.Find(2)->is_none()) {
    const List parts = in.Iterate(*a.Find(2));
    if (parts.size() != 2) Fail("tojson: separators must be two strings");
    style.item_separator = parts[0].Str();
    style.key_separator = parts[1].Str();
  }
  std::string out = ToJson(v, style);
  in.Charge(out.size());
  return out;
}

// int(): of numbers and of decimal strings; else the default.
Value Int(Interpreter&, const Value& v, const CallArgs& args) {
  const Args a("int", args, {"default", "base"});
  if (a.Integer(1, 10) != 10) throw TemplateError{"filter \"int\" with a base other than 10 is not supported", true};
  const auto truncate = [&](double d) -> Value {
    return std::isfinite(d) && std::fabs(d) < 9e18 ? Value(static_cast<int64_t>(d)) : a.Or(0, 0);
  };
  if (v.is_integer()) return v.integer();
  if (v.kind() == Kind::kFloat) return truncate(v.number());
  if (!v.is_string()) return a.Or(0, 0);
  std::string_view s = Strip(v.string(), true, true);
  if (s.starts_with('+')) s.remove_prefix(1);
  int64_t i = 0;
  auto r = std::from_chars(s.data(), s.data() + s.size(), i);
  if (!s.empty() && r.ec == std::errc() && r.ptr == s.data() + s.size()) return i;
  double d = 0;
  r = std::from_chars(s.data(), s.data() + s.size(), d);
  return !s.empty() && r.ec == std::errc() && r.ptr == s.data() + s.size() ? truncate(d) : a.Or(0, 0);
}

Value Float(Interpreter&, const Value& v, const CallArgs& args) {
  const Args a("float", args, {"default"});
  if (v.is_number()) return v.number();
  const std::string text = v.is_string() ? v.string() : "";
  std::string_view s = Strip(text, true, true);
  if (s.starts_with('+')) s.remove_prefix(1);
  double d = 0;
  const auto r = std::from_chars(s.data(), s.data() + s.size(), d);
  return !s.empty() && r.ec == std::errc() && r.ptr == s.data() + s.size() ? Value(d) : a.Or(0, 0.0);
}

Value Abs(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args none("abs", args, {});
  if (!v.is_number()) Fail(StrCat("bad operand type for abs(): '", v.TypeName(), "'"));
  if (v.kind() == Kind::kFloat) return std::fabs(v.number());
  return v.integer() < 0 ? Binary(in, Op::kSub, Value(0), v) : v.integer();
}

Value Round(Interpreter&, const Value& v, const CallArgs& args) {
  const Args a("round", args, {"precision", "method"});
  if (!v.is_number()) Fail(StrCat("round: a number is required, not ", v.TypeName()));
  const double scale = std::pow(10.0, static_cast<double>(std::clamp<int64_t>(a.Integer(0, 0), -300, 300)));
  const std::string method = a.Text(1, "common");
  if (method == "common") return std::nearbyint(v.number() * scale) / scale;
  if (method == "ceil") return std::ceil(v.number() * scale) / scale;
  if (method == "floor") return std::floor(v.number() * scale) / scale;
  Fail("round: method must be common, ceil or floor");
}

Value ReplaceFilter(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("replace", args, {"old", "new", "count"});
  CallArgs call;
  call.positional = {a.Need(0).Str(), a.Need(1).Str(), a.Integer(2, -1)};
  return CallMethod(in, Value(v.Str()), "replace", call);
}

Value Indent(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("indent", args, {"width", "first", "blank"});
  const Value* width = a.Find(0);
  const int64_t columns = width && !width->is_string() ? a.Integer(0, 4) : 4;
  if (columns > 1024) Fail("indent: width is at most 1024");
  const std::string margin = width && width->is_string() ? width->string() : std::string(static_cast<size_t>(std::max<int64_t>(columns, 0)), ' ');
  const bool first = a.Flag(1, false), blank = a.Flag(2, false);
  const std::vector<std::string> lines = SplitLines(v.Str() + "\n", false);
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    if (i == 0 ? first : blank || !lines[i].empty()) out += margin;
    out += lines[i];
    in.Charge(margin.size() + lines[i].size());
  }
  in.Charge(out.size());
  return out;
}

// Strings sort without regard to case unless told otherwise.
Value SortKey(const Value& v, bool case_sensitive) {
  return v.is_string() && !case_sensitive ? Value(Lower(v.string())) : v;
}

Value Sorted(Interpreter& in, std::vector<std::pair<Value, Value>> keyed, bool reverse) {
  const auto less = [&](const auto& x, const auto& y) {
    in.Charge(0);
    return reverse ? Less(y.first, x.first) : Less(x.first, y.first);
  };
  std::stable_sort(keyed.begin(), keyed.end(), less);
  List out;
  for (auto& [key, value] : keyed) out.push_back(std::move(value));
  return Value(std::move(out));
}

Value Sort(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("sort", args, {"reverse", "case_sensitive", "attribute"});
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : in.Iterate(v)) {
    Value key = a.Find(2) && !a.Find(2)->is_none() ? Path(in, item, *a.Find(2)) : item;
    keyed.emplace_back(SortKey(key, a.Flag(1, false)), std::move(item));
  }
  return Sorted(in, std::move(keyed), a.Flag(0, false));
}

Value DictSort(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("dictsort", args, {"case_sensitive", "by", "reverse"});
  if (!v.is_dict()) Fail(StrCat("dictsort: needs a mapping, got ", v.TypeName()));
  const std::string by = a.Text(1, "key");
  if (by != "key" && by != "value") Fail("dictsort: you can only sort by either \"key\" or \"value\"");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : v.dict())
    keyed.emplace_back(SortKey(by == "key" ? key : value, a.Flag(0, false)), Value::Tuple({key, value}));
  return Sorted(in, std::move(keyed), a.Flag(2, false));
}

Value Unique(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("unique", args, {"case_sensitive", "attribute"});
  List out, keys;
  for (Value& item : in.Iterate(v)) {
    const Value key = SortKey(a.Find(1) && !a.Find(1)->is_none() ? Path(in, item, *a.Find(1)) : item, a.Flag(0, false));
    in.Charge(keys.size() * 16);
    if (std::any_of(keys.begin(), keys.end(), [&](const Value& k) { return k.Equals(key); })) continue;
    keys.push_back(key);
    out.push_back(std::move(item));
  }
  return Value(std::move(out));
}

template <bool want_max>
Value Extreme(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a(want_max ? "max" : "min", args, {"case_sensitive", "attribute"});
  Value best, best_key;
  for (const Value& item : in.Iterate(v)) {
    const Value key = SortKey(a.Find(1) && !a.Find(1)->is_none() ? Path(in, item, *a.Find(1)) : item, a.Flag(0, false));
    if (best_key.is_undefined() || (want_max ? Less(best_key, key) : Less(key, best_key))) best = item, best_key = key;
  }
  return best;
}

Value Sum(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("sum", args, {"attribute", "start"});
  Value total = a.Or(1, 0);
  for (const Value& item : in.Iterate(v))
    total = Binary(in, Op::kAdd, total, a.Find(0) && !a.Find(0)->is_none() ? Path(in, item, *a.Find(0)) : item);
  return total;
}

Value Reverse(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args none("reverse", args, {});
  if (v.is_string()) {
    in.Charge(v.string().size() * 4);
    std::u32string chars = Decode(v.string());
    std::reverse(chars.begin(), chars.end());
    return Encode(chars);
  }
  List items = in.Iterate(v);
  std::reverse(items.begin(), items.end());
  return Value(std::move(items));
}

// The arguments after the first `n` positional ones.
CallArgs Rest(const CallArgs& args, size_t n) {
  CallArgs out = args;
  out.positional.erase(out.positional.begin(), out.positional.begin() + static_cast<ptrdiff_t>(std::min(n, out.positional.size())));
  return out;
}

Value Map(Interpreter& in, const Value& v, const CallArgs& args) {
  List out;
  if (!v.Truth()) return Value(std::move(out));  // none as well, as in Jinja
  if (args.positional.empty()) {
    const Args a("map", args, {"attribute", "default"});
    for (const Value& item : in.Iterate(v)) {
      Value found = Path(in, item, a.Need(0));
      out.push_back(found.is_undefined() && a.Find(1) ? *a.Find(1) : std::move(found));
    }
    return Value(std::move(out));
  }
  const std::string name = args.positional[0].Str();
  const CallArgs rest = Rest(args, 1);
  for (const Value& item : in.Iterate(v)) out.push_back(ApplyFilter(in, name, item, rest));
  return Value(std::move(out));
}

template <bool keep, bool by_attribute>
Value Select(Interpreter& in, const Value& v, const CallArgs& args) {
  const size_t skip = by_attribute ? 1 : 0;
  if (!v.Truth()) return Value(List());  // none as well, as in Jinja
  if (args.positional.size() < skip) Fail("selectattr needs an attribute");
  const bool has_test = args.positional.size() > skip;
  const std::string test = has_test ? args.positional[skip].Str() : "";
  const CallArgs rest = Rest(args, skip + 1);
  List out;
  for (Value& item : in.Iterate(v)) {
    const Value subject = by_attribute ? Path(in, item, args.positional[0]) : item;
    if ((has_test ? ApplyTest(in, test, subject, rest) : subject.Truth()) == keep) out.push_back(std::move(item));
  }
  return Value(std::move(out));
}

Value Batch(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("batch", args, {"linecount", "fill_with"});
  const int64_t n = a.Integer(0, 0);
  if (n < 1) Fail("batch: linecount must be at least 1");
  List out, row;
  for (Value& item : in.Iterate(v)) {
    row.push_back(std::move(item));
    if (static_cast<int64_t>(row.size()) == n) out.push_back(Value(std::exchange(row, {})));
  }
  if (!row.empty()) {
    if (a.Find(1) && !a.Find(1)->is_none()) {
      in.Charge(static_cast<uint64_t>(n) * sizeof(Value));
      row.resize(static_cast<size_t>(n), *a.Find(1));
    }
    out.push_back(Value(std::move(row)));
  }
  return Value(std::move(out));
}

Value Format(Interpreter& in, const Value& v, const CallArgs& args) {
  if (!args.named.empty()) throw TemplateError{"filter \"format\" with named arguments is not supported", true};
  std::string out = FormatPercent(v.Str(), args.positional);
  in.Charge(out.size());
  return out;
}

Value WordCount(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args none("wordcount", args, {});
  const std::string text = v.Str();
  in.Charge(text.size());
  int64_t n = 0;
  bool inside = false;
  tok::ForEachChar(text, [&](uint32_t c, size_t, size_t) {
    n += !inside && tok::IsWord(c);
    inside = tok::IsWord(c);
  });
  return n;
}

Value AttributeFilter(Interpreter& in, const Value& v, const CallArgs& args) {
  return in.Attribute(v, Args("attr", args, {"name"}).Need(0).Str());
}

constexpr std::pair<std::string_view, FilterFn> kFilters[] = {
    {"abs", Abs}, {"attr", AttributeFilter}, {"batch", Batch}, {"capitalize", TextFilter<Capitalize>}, {"count", Length},
    {"d", Default}, {"default", Default}, {"dictsort", DictSort}, {"e", Escape}, {"escape", Escape}, {"first", End<true>}, {"float", Float},
    {"format", Format}, {"indent", Indent}, {"int", Int}, {"items", ItemsFilter}, {"join", Join}, {"last", End<false>},
    {"length", Length}, {"list", ToList}, {"lower", TextFilter<Lower>}, {"map", Map}, {"max", Extreme<true>},
    {"min", Extreme<false>}, {"reject", Select<false, false>}, {"rejectattr", Select<false, true>},
    {"replace", ReplaceFilter}, {"reverse", Reverse}, {"round", Round}, {"safe", Safe}, {"select", Select<true, false>},
    {"selectattr", Select<true, true>}, {"sort", Sort}, {"string", ToString}, {"sum", Sum},
    {"title", TextFilter<TitleFilter>}, {"tojson", Json}, {"trim", Trim}, {"unique", Unique},
    {"upper", TextFilter<Upper>}, {"wordcount", WordCount}};

const auto* FindFilter(std::string_view name) {
  const auto* f = std::find_if(std::begin(kFilters), std::end(kFilters), [&](const auto& x) { return x.first == name; });
  return f == std::end(kFilters) ? nullptr : f;
}

}  // namespace

bool IsFilter(std::string_view name) { return FindFilter(name) != nullptr; }

Value ApplyFilter(Interpreter& in, const std::string& name, const Value& v, const CallArgs& args) {
  const auto* filter = FindFilter(name);
  if (!filter) throw TemplateError{StrCat("filter \"", name, "\" is not supported"), true};
  return filter->second(in, v, args);
}

}  // namespace hasten::chat
