// The evaluator of templates. Every step, and every byte that a step makes, is
// charged against a budget, so that no template runs or grows without end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/chat/ast.h"
#include "runtime/engine/chat/value.h"

namespace hasten::chat {

struct Limits {
  uint64_t steps = 20'000'000;      // expressions, iterations, and 16 bytes of text each
  uint64_t output = 64u << 20;      // bytes of one string, the output included
  int depth = 300;                  // nested statements, expressions and macro calls
};

// Variables visible at a place; a name resolves in the innermost scope that has it.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> names;
  const Value* Find(std::string_view name) const;
  void Set(const std::string& name, Value value);
};
using ScopePtr = std::shared_ptr<Scope>;

struct CallArgs {
  List positional;
  std::vector<std::pair<std::string, Value>> named;
};

// Takes the arguments of a call by name and position; complains about the rest.
class Args {
 public:
  Args(std::string_view callee, const CallArgs& args, std::initializer_list<std::string_view> names);
  const Value* Find(size_t i) const { return values_[i]; }
  const Value& Need(size_t i) const;
  Value Or(size_t i, Value fallback) const { return values_[i] ? *values_[i] : std::move(fallback); }
  bool Flag(size_t i, bool fallback) const { return values_[i] ? values_[i]->Truth() : fallback; }
  int64_t Integer(size_t i, int64_t fallback) const;
  std::string Text(size_t i, std::string fallback) const;

 private:
  std::string callee_;
  std::vector<std::string> names_;
  std::vector<const Value*> values_;
};

class Interpreter;

class Callable : public Object {
 public:
  virtual Value Call(Interpreter& interpreter, const CallArgs& args) = 0;
};

class Namespace : public Object {
 public:
  std::string_view type_name() const override { return "namespace"; }
  Scope attributes;
};

// The `loop` variable.
class Loop : public Object {
 public:
  std::string_view type_name() const override { return "loop"; }
  Value Attribute(const std::string& name) const;
  std::vector<Value> items;
  size_t index = 0;
  int depth = 1;
};

class Interpreter {
 public:
  // `now`: seconds since 1970, already in the zone that strftime_now shall print.
  Interpreter(Limits limits, std::optional<int64_t> now) : limits_(limits), now_(now) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Renders a body with the given variables. Throws TemplateError.
  std::string Render(const Body& body, ScopePtr globals);

  Value Evaluate(const Expr& e, const ScopePtr& scope);
  Value Invoke(const Value& callee, const CallArgs& args, std::string_view what);
  std::string CallMacro(const Stmt& macro, const ScopePtr& closure, const CallArgs& args, const Value& caller);
  Value Attribute(const Value& v, const std::string& name);
  Value Item(const Value& v, const Value& key);
  // The elements that a for loop walks over.
  List Iterate(const Value& v);
  std::shared_ptr<Namespace> NewNamespace();
  std::optional<int64_t> now() const { return now_; }

  // Charges for `bytes` of new data; refuses single values beyond the limit.
  void Charge(uint64_t bytes);
  int line() const { return line_; }

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  struct Nesting;

  Flow Run(const Body& body, const ScopePtr& scope, std::string& out);
  Flow Execute(const Stmt& s, const ScopePtr& scope, std::string& out);
  Flow RunFor(const Stmt& s, const ScopePtr& scope, const Value& over, int depth, std::string& out);
  Flow RunIf(const Stmt& s, const ScopePtr& scope, std::string& out);
  void Put(std::string_view text, std::string& out);
  void Assign(const Target& target, const Value& value, const ScopePtr& scope);
  CallArgs EvaluateArgs(const std::vector<Arg>& args, const ScopePtr& scope);
  Value EvaluateCall(const Expr& e, const ScopePtr& scope);
  Value EvaluateSlice(const Expr& e, const ScopePtr& scope);
  Value EvaluateCompare(const Expr& e, const ScopePtr& scope);
  Value EvaluateContainer(const Expr& e, const ScopePtr& scope);
  Value Name(const Expr& e, const ScopePtr& scope);

  Limits limits_;
  std::optional<int64_t> now_;
  uint64_t steps_ = 0;
  int depth_ = 0, line_ = 0;
  // Namespaces may point to themselves; they are emptied at the end.
  std::vector<std::weak_ptr<Namespace>> namespaces_;
};

// operators.cc
Value Binary(Interpreter& in, Op op, const Value& a, const Value& b);
bool Compare(Op op, const Value& a, const Value& b);
bool Contains(const Value& container, const Value& item);
bool Less(const Value& a, const Value& b);
std::string EscapeHtml(std::string_view s);
// A string result: markup when what it was made from is.
inline Value Like(const Value& from, std::string s) { return from.is_markup() ? Value::Markup(std::move(s)) : Value(std::move(s)); }
// Python's "%" on strings.
std::string FormatPercent(const std::string& format, const List& args);
std::string FormatBraces(const std::string& format, const CallArgs& args);

// filters.cc, tests.cc, methods.cc, functions.cc
Value ApplyFilter(Interpreter& in, const std::string& name, const Value& v, const CallArgs& args);
bool ApplyTest(Interpreter& in, const std::string& name, const Value& v, const CallArgs& args);
bool HasMethod(const Value& v, std::string_view name);
Value CallMethod(Interpreter& in, const Value& self, const std::string& name, const CallArgs& args);
// range, namespace, dict, raise_exception, strftime_now; undefined for other names.
Value Builtin(const std::string& name);
std::string FormatTime(int64_t seconds, std::string_view format);

[[noreturn]] void Fail(std::string message);

}  // namespace hasten::chat
