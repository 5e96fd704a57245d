// Statements: running a body, loops, assignments, macros.
#include "runtime/engine/chat/interpreter.h"

#include <algorithm>

namespace hasten::chat {

void Fail(std::string message) { throw TemplateError{std::move(message)}; }

const Value* Scope::Find(std::string_view name) const {
  for (const Scope* s = this; s; s = s->parent.get())
    for (const auto& [n, v] : s->names)
      if (n == name) return &v;
  return nullptr;
}

void Scope::Set(const std::string& name, Value value) {
  for (auto& [n, v] : names) {
    if (n != name) continue;
    v = std::move(value);
    return;
  }
  names.emplace_back(name, std::move(value));
}

Value Loop::Attribute(const std::string& name) const {
  const auto i = static_cast<int64_t>(index), n = static_cast<int64_t>(items.size());
  if (name == "index") return i + 1;
  if (name == "index0") return i;
  if (name == "revindex") return n - i;
  if (name == "revindex0") return n - i - 1;
  if (name == "first") return i == 0;
  if (name == "last") return i + 1 == n;
  if (name == "length") return n;
  if (name == "depth") return depth;
  if (name == "depth0") return depth - 1;
  if (name == "previtem") return i > 0 ? items[index - 1] : Value::Undefined("there is no previous item");
  if (name == "nextitem") return i + 1 < n ? items[index + 1] : Value::Undefined("there is no next item");
  throw TemplateError{StrCat("loop.", name, " is not supported"), true};
}

namespace {

// A macro, or the body of {% call %}, with the scope it was defined in.
class Macro : public Callable {
 public:
  Macro(const Stmt& stmt, ScopePtr scope) : stmt_(stmt), scope_(std::move(scope)) {}
  std::string_view type_name() const override { return "macro"; }
  Value Call(Interpreter& in, const CallArgs& args) override {
    CallArgs own = args;
    Value caller;
    std::erase_if(own.named, [&](const auto& a) {
      if (a.first == "caller") caller = a.second;
      return a.first == "caller";
    });
    return in.CallMacro(stmt_, scope_.lock() ? scope_.lock() : std::make_shared<Scope>(), own, caller);
  }

 private:
  const Stmt& stmt_;
  // Weak: the scope holds the macro. It outlives every call but those from
  // outside of the block that defined the macro.
  std::weak_ptr<Scope> scope_;
};

// {% for ... recursive %}: loop(items) runs the loop over other items.
class RecursiveLoop : public Loop {
 public:
  std::function<std::string(const Value&)> again;
};

}  // namespace

struct Interpreter::Nesting {
  explicit Nesting(Interpreter& i) : in(i) {
    if (++in.depth_ > in.limits_.depth) Fail("the template nests or recurses too deeply");
  }
  ~Nesting() { --in.depth_; }
  Interpreter& in;
};

Interpreter::~Interpreter() {
  for (const auto& weak : namespaces_)
    if (const auto ns = weak.lock()) ns->attributes.names.clear();
}

std::shared_ptr<Namespace> Interpreter::NewNamespace() {
  auto ns = std::make_shared<Namespace>();
  namespaces_.push_back(ns);
  return ns;
}

void Interpreter::Charge(uint64_t bytes) {
  if (bytes > limits_.output) Fail(StrCat("a value grows beyond ", limits_.output, " bytes"));
  steps_ += 1 + bytes / 16;
  if (steps_ > limits_.steps) Fail("the template takes too many steps");
}

void Interpreter::Put(std::string_view text, std::string& out) {
  Charge(text.size());
  if (out.size() + text.size() > limits_.output) Fail(StrCat("the output grows beyond ", limits_.output, " bytes"));
  out += text;
}

std::string Interpreter::Render(const Body& body, ScopePtr globals) {
  try {
    std::string out;
    // Variables of the template itself, which macros see, over those given.
    const auto top = std::make_shared<Scope>(Scope{std::move(globals), {}});
    Run(body, top, out);
    return out;
  } catch (TemplateError& e) {
    e.message = StrCat("line ", line_, ": ", e.message);
    throw;
  }
}

Interpreter::Flow Interpreter::Run(const Body& body, const ScopePtr& scope, std::string& out) {
  const Nesting nesting(*this);
  for (const auto& s : body) {
    const Flow flow = Execute(*s, scope, out);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::Execute(const Stmt& s, const ScopePtr& scope, std::string& out) {
  Charge(0);
  line_ = s.line;
  const auto inner = [&] { return std::make_shared<Scope>(Scope{scope, {}}); };
  const auto capture = [&] {
    std::string text;
    Run(s.body, inner(), text);
    return text;
  };
  const auto filtered = [&](std::string text) {
    const auto with_text = inner();
    with_text->Set("", Value(std::move(text)));
    return Evaluate(*s.value, with_text);
  };
  switch (s.kind) {
    case StmtKind::kText: Put(s.text, out); return Flow::kNormal;
    case StmtKind::kOutput: {
      const Value v = Evaluate(*s.value, scope);
      if (v.is_string()) Put(v.string(), out);
      else Put(v.Str(), out);
      return Flow::kNormal;
    }
    case StmtKind::kIf: return RunIf(s, scope, out);
    case StmtKind::kFor: return RunFor(s, scope, Evaluate(*s.value, scope), 1, out);
    case StmtKind::kSet: Assign(s.target, Evaluate(*s.value, scope), scope); return Flow::kNormal;
    case StmtKind::kSetBlock: {
      std::string text = capture();
      Assign(s.target, s.value ? filtered(std::move(text)) : Value(std::move(text)), scope);
      return Flow::kNormal;
    }
    case StmtKind::kMacro:
      scope->Set(s.text, Value(std::static_pointer_cast<Object>(std::make_shared<Macro>(s, scope))));
      return Flow::kNormal;
    case StmtKind::kCallBlock: {
      const Value caller(std::static_pointer_cast<Object>(std::make_shared<Macro>(s, scope)));
      const Value callee = Evaluate(*s.value->items[0], scope);
      CallArgs args = EvaluateArgs(s.value->args, scope);
      args.named.emplace_back("caller", caller);
      Put(Invoke(callee, args, "the called value").Str(), out);
      return Flow::kNormal;
    }
    case StmtKind::kFilterBlock: Put(filtered(capture()).Str(), out); return Flow::kNormal;
    case StmtKind::kWith: {
      const auto with = inner();
      // The values see what is outside, not each other.
      for (const Param& p : s.params) with->Set(p.name, Evaluate(*p.fallback, scope));
      return Run(s.body, with, out);
    }
    case StmtKind::kScope: return Run(s.body, inner(), out);
    case StmtKind::kBreak: return Flow::kBreak;
    case StmtKind::kContinue: return Flow::kContinue;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::RunIf(const Stmt& s, const ScopePtr& scope, std::string& out) {
  for (const auto& [condition, body] : s.branches)
    if (!condition || Evaluate(*condition, scope).Truth()) return Run(body, scope, out);
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::RunFor(const Stmt& s, const ScopePtr& scope, const Value& over, int depth, std::string& out) {
  const Nesting nesting(*this);
  List items = Iterate(over);
  if (s.condition) {
    List kept;
    for (Value& item : items) {
      const auto inner = std::make_shared<Scope>(Scope{scope, {}});
      Assign(s.target, item, inner);
      if (Evaluate(*s.condition, inner).Truth()) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  if (items.empty()) return Run(s.otherwise, std::make_shared<Scope>(Scope{scope, {}}), out);
  const auto loop = std::make_shared<RecursiveLoop>();
  loop->items = std::move(items);
  loop->depth = depth;
  if (s.recursive) {
    loop->again = [this, &s, scope, depth](const Value& v) {
      std::string text;
      RunFor(s, scope, v, depth + 1, text);
      return text;
    };
  }
  for (loop->index = 0; loop->index < loop->items.size(); ++loop->index) {
    Charge(0);
    const auto inner = std::make_shared<Scope>(Scope{scope, {}});
    inner->Set("loop", Value(std::static_pointer_cast<Object>(loop)));
    Assign(s.target, loop->items[loop->index], inner);
    if (Run(s.body, inner, out) == Flow::kBreak) break;
  }
  return Flow::kNormal;
}

void Interpreter::Assign(const Target& target, const Value& value, const ScopePtr& scope) {
  if (!target.parts.empty()) {
    const List items = Iterate(value);
    if (items.size() != target.parts.size())
      Fail(StrCat("can not unpack ", items.size(), " values into ", target.parts.size(), " names"));
    for (size_t i = 0; i < items.size(); ++i) Assign(target.parts[i], items[i], scope);
    return;
  }
  if (target.attribute.empty()) return scope->Set(target.name, value);
  const Value* object = scope->Find(target.name);
  auto ns = object && object->kind() == Kind::kObject ? std::dynamic_pointer_cast<Namespace>(object->object()) : nullptr;
  if (!ns) Fail(StrCat("can not assign to ", target.name, ".", target.attribute, ": only a namespace() takes attributes"));
  ns->attributes.Set(target.attribute, value);
}

std::string Interpreter::CallMacro(const Stmt& macro, const ScopePtr& closure, const CallArgs& args, const Value& caller) {
  const Nesting nesting(*this);
  const auto scope = std::make_shared<Scope>(Scope{closure, {}});
  const std::string name = macro.kind == StmtKind::kMacro ? macro.text : "caller";
  std::vector<bool> used(args.named.size(), false);
  for (size_t i = 0; i < macro.params.size(); ++i) {
    const Param& p = macro.params[i];
    Value value = Value::Undefined(p.name);
    bool given = i < args.positional.size();
    if (given) value = args.positional[i];
    for (size_t k = 0; k < args.named.size(); ++k) {
      if (args.named[k].first != p.name) continue;
      if (given) Fail(StrCat("macro \"", name, "\" got argument \"", p.name, "\" twice"));
      used[k] = given = true;
      value = args.named[k].second;
    }
    if (!given && p.fallback) value = Evaluate(*p.fallback, scope);
    scope->Set(p.name, value);
  }
  // What is left over is in varargs and kwargs, as in Jinja; names that no
  // parameter has are an error there unless the macro reads kwargs.
  List rest;
  for (size_t i = macro.params.size(); i < args.positional.size(); ++i) rest.push_back(args.positional[i]);
  Dict named;
  for (size_t k = 0; k < args.named.size(); ++k)
    if (!used[k]) named.emplace_back(Value(args.named[k].first), args.named[k].second);
  scope->Set("varargs", Value::Tuple(std::move(rest)));
  scope->Set("kwargs", Value(std::move(named)));
  scope->Set("caller", caller.is_undefined() ? Value::Undefined("caller") : caller);
  std::string out;
  Run(macro.body, scope, out);
  return out;
}

Value Interpreter::Invoke(const Value& callee, const CallArgs& args, std::string_view what) {
  const Nesting nesting(*this);
  if (callee.is_undefined()) Fail(StrCat("'", callee.undefined_name(), "' is undefined"));
  if (callee.kind() == Kind::kObject) {
    if (auto* callable = dynamic_cast<Callable*>(callee.object().get())) return callable->Call(*this, args);
    if (auto* loop = dynamic_cast<RecursiveLoop*>(callee.object().get()); loop && loop->again && args.positional.size() == 1)
      return loop->again(args.positional[0]);
  }
  Fail(StrCat(what, " is not callable, it is ", callee.TypeName()));
}

}  // namespace hasten::chat
