// Expressions: names, attributes, subscripts, slices, calls.
#include <algorithm>

#include "runtime/engine/chat/interpreter.h"
#include "runtime/engine/chat/text.h"

namespace hasten::chat {
namespace {

// obj.method before it is called.
class BoundMethod : public Callable {
 public:
  BoundMethod(Value self, std::string name) : self_(std::move(self)), name_(std::move(name)) {}
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  Value Call(Interpreter& in, const CallArgs& args) override { return CallMethod(in, self_, name_, args); }

 private:
  Value self_;
  std::string name_;
};

Value Bind(const Value& v, const std::string& name) {
  return Value(std::static_pointer_cast<Object>(std::make_shared<BoundMethod>(v, name)));
}

[[noreturn]] void FailUndefined(const Value& v) {
  Fail(v.undefined_name().find(' ') == std::string::npos ? StrCat("'", v.undefined_name(), "' is undefined")
                                                         : v.undefined_name());
}

// Python's slice.indices(): where a slice of a sequence of n starts, stops and steps.
struct Slice {
  int64_t start, stop, step;
};
Slice MakeSlice(const Value* parts, int64_t n) {
  const auto get = [](const Value& v, int64_t fallback) {
    if (v.is_none() || v.is_undefined()) return fallback;
    if (!v.is_integer()) Fail("slice indices must be integers or None");
    return v.integer();
  };
  Slice s{0, 0, get(parts[2], 1)};
  if (s.step == 0) Fail("slice step cannot be zero");
  const int64_t low = s.step > 0 ? 0 : -1, high = s.step > 0 ? n : n - 1;
  const auto clamp = [&](const Value& v, int64_t fallback) {
    if (v.is_none() || v.is_undefined()) return fallback;
    int64_t i = get(v, 0);
    if (i < 0) i = i < -n ? -1 - n : i + n;  // below the start stays below it
    return std::clamp(i, low, high);
  };
  s.start = clamp(parts[0], s.step > 0 ? low : high);
  s.stop = clamp(parts[1], s.step > 0 ? high : low);
  return s;
}

template <class Sequence>
Sequence TakeSlice(const Sequence& from, const Value* parts) {
  const auto n = static_cast<int64_t>(from.size());
  const Slice s = MakeSlice(parts, n);
  Sequence out;
  // The step may be huge: stop before the index would overflow.
  for (int64_t i = s.start; s.step > 0 ? i < s.stop : i > s.stop;) {
    out.push_back(from[static_cast<size_t>(i)]);
    if (__builtin_add_overflow(i, s.step, &i)) break;
  }
  return out;
}

std::string Describe(const Value& v) {
  return v.kind() == Kind::kObject ? std::string(v.TypeName()) : StrCat(v.TypeName(), " object");
}

}  // namespace

Value Interpreter::Attribute(const Value& v, const std::string& name) {
  if (v.is_undefined()) FailUndefined(v);
  if (HasMethod(v, name)) return Bind(v, name);
  if (v.is_dict()) {
    if (const Value* found = v.Find(std::string_view(name))) return *found;
  } else if (v.kind() == Kind::kObject) {
    if (auto* ns = dynamic_cast<Namespace*>(v.object().get())) {
      if (const Value* found = ns->attributes.Find(name)) return *found;
    } else if (auto* loop = dynamic_cast<Loop*>(v.object().get())) {
      return loop->Attribute(name);
    }
  }
  return Value::Undefined(StrCat("'", Describe(v), "' has no attribute '", name, "'"));
}

Value Interpreter::Item(const Value& v, const Value& key) {
  if (v.is_undefined()) FailUndefined(v);
  if (v.is_dict()) {
    if (const Value* found = v.Find(key)) return *found;
  } else if ((v.is_sequence() || v.is_string()) && key.is_integer()) {
    const auto at = [&](size_t n) -> std::optional<size_t> {
      const auto size = static_cast<int64_t>(n);
      const int64_t i = key.integer() < 0 ? key.integer() + size : key.integer();
      return i < 0 || i >= size ? std::nullopt : std::optional<size_t>(static_cast<size_t>(i));
    };
    if (v.is_sequence()) {
      if (const auto i = at(v.list().size())) return v.list()[*i];
    } else {
      Charge(v.string().size());
      const std::u32string chars = Decode(v.string());
      if (const auto i = at(chars.size())) return Encode(std::u32string_view(chars).substr(*i, 1));
    }
    return Value::Undefined(StrCat("'", Describe(v), "' has no element ", key.integer()));
  }
  if (key.is_string()) return Attribute(v, key.string());
  return Value::Undefined(StrCat("'", Describe(v), "' has no element ", key.Repr()));
}

List Interpreter::Iterate(const Value& v) {
  List out;
  switch (v.kind()) {
    case Kind::kUndefined: break;
    case Kind::kList:
    case Kind::kTuple: out = v.list(); break;
    case Kind::kDict:
      for (const auto& entry : v.dict()) out.push_back(entry.first);
      break;
    case Kind::kString:
      Charge(v.string().size() * 8);
      for (const char32_t c : Decode(v.string())) out.emplace_back(tok::ToUtf8(static_cast<uint32_t>(c)));
      break;
    default: Fail(StrCat("'", v.TypeName(), "' object is not iterable"));
  }
  Charge(out.size() * sizeof(Value));
  return out;
}

Value Interpreter::Name(const Expr& e, const ScopePtr& scope) {
  if (const Value* v = scope->Find(e.name)) return *v;
  Value builtin = Builtin(e.name);
  return builtin.is_undefined() ? Value::Undefined(e.name) : builtin;
}

CallArgs Interpreter::EvaluateArgs(const std::vector<Arg>& args, const ScopePtr& scope) {
  CallArgs out;
  for (const Arg& a : args) {
    Value v = Evaluate(*a.value, scope);
    switch (a.kind) {
      case ArgKind::kPositional: out.positional.push_back(std::move(v)); break;
      case ArgKind::kKeyword: out.named.emplace_back(a.name, std::move(v)); break;
      case ArgKind::kList:
        for (Value& item : Iterate(v)) out.positional.push_back(std::move(item));
        break;
      case ArgKind::kDict:
        if (!v.is_dict()) Fail("the argument after ** must be a mapping");
        for (const auto& [key, value] : v.dict()) out.named.emplace_back(key.Str(), value);
        break;
    }
  }
  return out;
}

Value Interpreter::EvaluateCall(const Expr& e, const ScopePtr& scope) {
  const Expr& callee = *e.items[0];
  const Value f = Evaluate(callee, scope);
  const CallArgs args = EvaluateArgs(e.args, scope);
  line_ = e.line;
  if (f.is_undefined()) FailUndefined(f);
  return Invoke(f, args, callee.name.empty() ? "the called value" : StrCat("\"", callee.name, "\""));
}

Value Interpreter::EvaluateSlice(const Expr& e, const ScopePtr& scope) {
  const Value v = Evaluate(*e.items[0], scope);
  Value parts[3] = {nullptr, nullptr, nullptr};
  for (size_t i = 0; i < 3; ++i)
    if (e.items[i + 1]) parts[i] = Evaluate(*e.items[i + 1], scope);
  if (v.is_undefined()) FailUndefined(v);
  if (v.is_string()) {
    Charge(v.string().size() * 4);
    return Encode(TakeSlice(Decode(v.string()), parts));
  }
  if (!v.is_sequence()) return Value::Undefined(StrCat("'", Describe(v), "' has no slice"));
  Charge(v.list().size() * sizeof(Value));
  List items = TakeSlice(v.list(), parts);
  return v.kind() == Kind::kTuple ? Value::Tuple(std::move(items)) : Value(std::move(items));
}

Value Interpreter::EvaluateCompare(const Expr& e, const ScopePtr& scope) {
  Value left = Evaluate(*e.items[0], scope);
  for (size_t i = 0; i < e.ops.size(); ++i) {
    Value right = Evaluate(*e.items[i + 1], scope);
    if (left.is_string() && right.is_string()) Charge(std::min(left.string().size(), right.string().size()));
    if (!Compare(e.ops[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::EvaluateContainer(const Expr& e, const ScopePtr& scope) {
  List items;
  for (const ExprPtr& item : e.items) items.push_back(Evaluate(*item, scope));
  Charge(items.size() * sizeof(Value));
  if (e.kind == ExprKind::kTuple) return Value::Tuple(std::move(items));
  if (e.kind == ExprKind::kList) return Value(std::move(items));
  Dict entries;
  for (size_t i = 0; i < items.size(); i += 2) {
    if (items[i].kind() == Kind::kList || items[i].is_dict()) Fail(StrCat("unhashable type: '", items[i].TypeName(), "'"));
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& x) { return x.first.Equals(items[i]); });
    if (found != entries.end()) found->second = std::move(items[i + 1]);
    else entries.emplace_back(std::move(items[i]), std::move(items[i + 1]));
  }
  return Value(std::move(entries));
}

Value Interpreter::Evaluate(const Expr& e, const ScopePtr& scope) {
  if (++depth_ > limits_.depth) Fail("the template nests or recurses too deeply");
  struct Leave {
    int& depth;
    ~Leave() { --depth; }
  } leave{depth_};
  Charge(0);
  switch (e.kind) {
    case ExprKind::kConst: return e.constant;
    case ExprKind::kName: return Name(e, scope);
    case ExprKind::kTuple: case ExprKind::kList: case ExprKind::kDict: return EvaluateContainer(e, scope);
    case ExprKind::kAttribute: return Attribute(Evaluate(*e.items[0], scope), e.name);
    case ExprKind::kItem: {
      const Value v = Evaluate(*e.items[0], scope);
      return Item(v, Evaluate(*e.items[1], scope));
    }
    case ExprKind::kSlice: return EvaluateSlice(e, scope);
    case ExprKind::kCall: return EvaluateCall(e, scope);
    case ExprKind::kFilter: {
      const Value v = Evaluate(*e.items[0], scope);
      return ApplyFilter(*this, e.name, v, EvaluateArgs(e.args, scope));
    }
    case ExprKind::kTest: {
      const Value v = Evaluate(*e.items[0], scope);
      return ApplyTest(*this, e.name, v, EvaluateArgs(e.args, scope));
    }
    case ExprKind::kNot: return !Evaluate(*e.items[0], scope).Truth();
    case ExprKind::kNegate: return Binary(*this, Op::kSub, Value(0), Evaluate(*e.items[0], scope));
    case ExprKind::kPlus: return Binary(*this, Op::kAdd, Value(0), Evaluate(*e.items[0], scope));
    case ExprKind::kBinary: {
      const Value a = Evaluate(*e.items[0], scope);
      return Binary(*this, e.ops[0], a, Evaluate(*e.items[1], scope));
    }
    case ExprKind::kConcat: {
      std::string out;
      for (const ExprPtr& item : e.items) out += Evaluate(*item, scope).Str();
      Charge(out.size());
      return out;
    }
    case ExprKind::kCompare: return EvaluateCompare(e, scope);
    case ExprKind::kAnd: case ExprKind::kOr: {
      Value v;
      for (const ExprPtr& item : e.items) {
        v = Evaluate(*item, scope);
        if (v.Truth() == (e.kind == ExprKind::kOr)) break;
      }
      return v;
    }
    case ExprKind::kCondition:
      if (Evaluate(*e.items[0], scope).Truth()) return Evaluate(*e.items[1], scope);
      return e.items[2] ? Evaluate(*e.items[2], scope) : Value::Undefined("the inline if-expression had no else");
  }
  return {};
}

}  // namespace hasten::chat
