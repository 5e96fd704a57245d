// Tests: what may follow "is".
#include <algorithm>
#include <cmath>

#include "runtime/engine/chat/interpreter.h"
#include "runtime/engine/chat/parser.h"
#include "runtime/engine/chat/text.h"

namespace hasten::chat {
namespace {

using TestFn = bool (*)(Interpreter&, const Value&, const CallArgs&);

template <Op op>
bool CompareTest(Interpreter&, const Value& v, const CallArgs& args) {
  return Compare(op, v, Args("test", args, {"other"}).Need(0));
}

template <bool (*is)(const Value&)>
bool Plain(Interpreter&, const Value& v, const CallArgs& args) {
  const Args none("test", args, {});
  return is(v);
}

bool IsDefined(const Value& v) { return !v.is_undefined(); }
bool IsUndefined(const Value& v) { return v.is_undefined(); }
bool IsNone(const Value& v) { return v.is_none(); }
bool IsString(const Value& v) { return v.is_string(); }
bool IsMapping(const Value& v) { return v.is_dict(); }
bool IsNumber(const Value& v) { return v.is_number(); }
bool IsBoolean(const Value& v) { return v.kind() == Kind::kBool; }
bool IsTrue(const Value& v) { return v.kind() == Kind::kBool && v.integer(); }
bool IsFalse(const Value& v) { return v.kind() == Kind::kBool && !v.integer(); }
bool IsInteger(const Value& v) { return v.kind() == Kind::kInt; }
bool IsFloat(const Value& v) { return v.kind() == Kind::kFloat; }
// Jinja's Undefined has a length and can be iterated.
bool IsIterable(const Value& v) { return v.is_sequence() || v.is_dict() || v.is_string() || v.is_undefined(); }
bool IsCallable(const Value& v) {
  return v.kind() == Kind::kObject && dynamic_cast<Callable*>(v.object().get()) != nullptr;
}

int64_t Integer(const Value& v) {
  if (!v.is_integer()) Fail(StrCat("this test needs an integer, got ", v.TypeName()));
  return v.integer();
}
bool IsOdd(const Value& v) { return Integer(v) % 2 != 0; }
bool IsEven(const Value& v) { return Integer(v) % 2 == 0; }

// str.isupper and str.islower: some cased character, and none of the other case.
template <bool upper>
bool IsCase(const Value& v) {
  bool some = false, other = false;
  tok::ForEachChar(v.Str(), [&](uint32_t c, size_t, size_t) {
    some |= upper ? IsUpper(c) : IsLower(c);
    other |= upper ? IsLower(c) : IsUpper(c);
  });
  return some && !other;
}

bool DivisibleBy(Interpreter& in, const Value& v, const CallArgs& args) {
  return !Binary(in, Op::kMod, v, Args("divisibleby", args, {"num"}).Need(0)).Truth();
}

bool SameAs(Interpreter&, const Value& v, const CallArgs& args) {
  const Value& other = Args("sameas", args, {"other"}).Need(0);
  return v.kind() == other.kind() && v.Equals(other);
}

bool FilterExists(Interpreter&, const Value& v, const CallArgs&) { return IsFilter(v.Str()); }
bool TestExists(Interpreter&, const Value& v, const CallArgs&) { return IsTest(v.Str()); }

constexpr std::pair<std::string_view, TestFn> kTests[] = {
    {"defined", Plain<IsDefined>}, {"undefined", Plain<IsUndefined>}, {"none", Plain<IsNone>},
    {"string", Plain<IsString>}, {"mapping", Plain<IsMapping>}, {"number", Plain<IsNumber>},
    {"boolean", Plain<IsBoolean>}, {"true", Plain<IsTrue>}, {"false", Plain<IsFalse>},
    {"integer", Plain<IsInteger>}, {"float", Plain<IsFloat>}, {"iterable", Plain<IsIterable>},
    {"sequence", Plain<IsIterable>}, {"callable", Plain<IsCallable>}, {"odd", Plain<IsOdd>}, {"even", Plain<IsEven>},
    {"upper", Plain<IsCase<true>>}, {"lower", Plain<IsCase<false>>},
    {"divisibleby", DivisibleBy}, {"sameas", SameAs}, {"filter", FilterExists}, {"test", TestExists},
    {"eq", CompareTest<Op::kEq>}, {"==", CompareTest<Op::kEq>}, {"equalto", CompareTest<Op::kEq>},
    {"ne", CompareTest<Op::kNe>}, {"!=", CompareTest<Op::kNe>},
    {"lt", CompareTest<Op::kLt>}, {"<", CompareTest<Op::kLt>}, {"lessthan", CompareTest<Op::kLt>},
    {"le", CompareTest<Op::kLe>}, {"<=", CompareTest<Op::kLe>},
    {"gt", CompareTest<Op::kGt>}, {">", CompareTest<Op::kGt>}, {"greaterthan", CompareTest<Op::kGt>},
    {"ge", CompareTest<Op::kGe>}, {">=", CompareTest<Op::kGe>}, {"in", CompareTest<Op::kIn>}};

const auto* FindTest(std::string_view name) {
  const auto* t = std::find_if(std::begin(kTests), std::end(kTests), [&](const auto& x) { return x.first == name; });
  return t == std::end(kTests) ? nullptr : t;
}

}  // namespace

bool IsTest(std::string_view name) { return FindTest(name) != nullptr; }

bool ApplyTest(Interpreter& in, const std::string& name, const Value& v, const CallArgs& args) {
  const auto* test = FindTest(name);
  if (!test) throw TemplateError{StrCat("test \"", name, "\" is not supported"), true};
  return test->second(in, v, args);
}

}  // namespace hasten::chat
