// Filters of single values, and the table of all. Each as jinja2.filters defines it, tojson as
// transformers does (plain json.dumps, nothing escaped for HTML).
#include "runtime/engine/chat/filters.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "runtime/engine/chat/interpreter.h"
#include "runtime/engine/chat/parser.h"
#include "runtime/engine/chat/text.h"

namespace hasten::chat {
namespace {

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
  const std::string margin = width && width->is_string() ? width->string()
                                                         : std::string(static_cast<size_t>(std::max<int64_t>(columns, 0)), ' ');
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
    {"abs", Abs}, {"attr", AttributeFilter}, {"batch", BatchFilter}, {"capitalize", TextFilter<Capitalize>},
    {"count", Length}, {"d", Default}, {"default", Default}, {"dictsort", DictSortFilter}, {"e", Escape},
    {"escape", Escape}, {"first", End<true>}, {"float", Float}, {"format", Format}, {"indent", Indent}, {"int", Int},
    {"items", ItemsFilter}, {"join", Join}, {"last", End<false>}, {"length", Length}, {"list", ToList},
    {"lower", TextFilter<Lower>}, {"map", MapFilter}, {"max", MaxFilter}, {"min", MinFilter}, {"reject", RejectFilter},
    {"rejectattr", RejectAttrFilter}, {"replace", ReplaceFilter}, {"reverse", ReverseFilter}, {"round", Round},
    {"safe", Safe}, {"select", SelectFilter}, {"selectattr", SelectAttrFilter}, {"sort", SortFilter},
    {"string", ToString}, {"sum", SumFilter}, {"title", TextFilter<TitleFilter>}, {"tojson", Json}, {"trim", Trim},
    {"unique", UniqueFilter}, {"upper", TextFilter<Upper>}, {"wordcount", WordCount}};

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
