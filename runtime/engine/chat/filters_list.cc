// Filters of lists and mappings: sorting, choosing, mapping.
#include "runtime/engine/chat/filters.h"

#include <algorithm>

#include "runtime/engine/chat/text.h"

namespace hasten::chat {

Value Path(Interpreter& in, Value v, const Value& path) {
  if (!path.is_string()) return in.Item(v, path);
  for (const std::string& part : SplitBy(path.string(), ".", -1, false)) {
    const bool number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    v = in.Item(v, number ? Value(static_cast<int64_t>(std::stoll(part))) : Value(part));
  }
  return v;
}

namespace {

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

Value Extreme(Interpreter& in, const Value& v, const CallArgs& args, bool want_max) {
  const Args a(want_max ? "max" : "min", args, {"case_sensitive", "attribute"});
  Value best, best_key;
  for (const Value& item : in.Iterate(v)) {
    const Value key = SortKey(a.Find(1) && !a.Find(1)->is_none() ? Path(in, item, *a.Find(1)) : item, a.Flag(0, false));
    if (best_key.is_undefined() || (want_max ? Less(best_key, key) : Less(key, best_key))) best = item, best_key = key;
  }
  return best;
}

// The arguments after the first `n` positional ones.
CallArgs Rest(const CallArgs& args, size_t n) {
  CallArgs out = args;
  out.positional.erase(out.positional.begin(), out.positional.begin() + static_cast<ptrdiff_t>(std::min(n, out.positional.size())));
  return out;
}

Value Keep(Interpreter& in, const Value& v, const CallArgs& args, bool keep, bool by_attribute) {
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

}  // namespace

Value SortFilter(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("sort", args, {"reverse", "case_sensitive", "attribute"});
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : in.Iterate(v)) {
    Value key = a.Find(2) && !a.Find(2)->is_none() ? Path(in, item, *a.Find(2)) : item;
    keyed.emplace_back(SortKey(key, a.Flag(1, false)), std::move(item));
  }
  return Sorted(in, std::move(keyed), a.Flag(0, false));
}

Value DictSortFilter(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("dictsort", args, {"case_sensitive", "by", "reverse"});
  if (!v.is_dict()) Fail(StrCat("dictsort: needs a mapping, got ", v.TypeName()));
  const std::string by = a.Text(1, "key");
  if (by != "key" && by != "value") Fail("dictsort: you can only sort by either \"key\" or \"value\"");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : v.dict())
    keyed.emplace_back(SortKey(by == "key" ? key : value, a.Flag(0, false)), Value::Tuple({key, value}));
  return Sorted(in, std::move(keyed), a.Flag(2, false));
}

Value UniqueFilter(Interpreter& in, const Value& v, const CallArgs& args) {
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

Value SumFilter(Interpreter& in, const Value& v, const CallArgs& args) {
  const Args a("sum", args, {"attribute", "start"});
  Value total = a.Or(1, 0);
  for (const Value& item : in.Iterate(v))
    total = Binary(in, Op::kAdd, total, a.Find(0) && !a.Find(0)->is_none() ? Path(in, item, *a.Find(0)) : item);
  return total;
}

Value ReverseFilter(Interpreter& in, const Value& v, const CallArgs& args) {
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

Value MapFilter(Interpreter& in, const Value& v, const CallArgs& args) {
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

Value BatchFilter(Interpreter& in, const Value& v, const CallArgs& args) {
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

Value MaxFilter(Interpreter& in, const Value& v, const CallArgs& args) { return Extreme(in, v, args, true); }
Value MinFilter(Interpreter& in, const Value& v, const CallArgs& args) { return Extreme(in, v, args, false); }
Value SelectFilter(Interpreter& in, const Value& v, const CallArgs& args) { return Keep(in, v, args, true, false); }
Value RejectFilter(Interpreter& in, const Value& v, const CallArgs& args) { return Keep(in, v, args, false, false); }
Value SelectAttrFilter(Interpreter& in, const Value& v, const CallArgs& args) { return Keep(in, v, args, true, true); }
Value RejectAttrFilter(Interpreter& in, const Value& v, const CallArgs& args) { return Keep(in, v, args, false, true); }

}  // namespace hasten::chat
