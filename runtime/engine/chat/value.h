// The values of chat templates: what Python objects are to Jinja. Immutable once
// made (templates may not change their inputs), shared by reference count.
// Conversions to text follow Python's str, repr and json.dumps.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hasten::chat {

class Value;
using List = std::vector<Value>;
using Dict = std::vector<std::pair<Value, Value>>;  // in insertion order, keys unique

// Objects with attributes of their own: loop, namespace, macros, bound methods.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string_view type_name() const = 0;
};

enum class Kind { kUndefined, kNone, kBool, kInt, kFloat, kString, kList, kTuple, kDict, kObject };

class Value {
 public:
  Value() = default;  // undefined
  Value(std::nullptr_t) : kind_(Kind::kNone) {}
  Value(bool b) : kind_(Kind::kBool), integer_(b) {}
  Value(int64_t i) : kind_(Kind::kInt), integer_(i) {}
  Value(int i) : kind_(Kind::kInt), integer_(i) {}
  Value(double d) : kind_(Kind::kFloat), float_(d) {}
  Value(std::string s) : kind_(Kind::kString), shared_(std::make_shared<const std::string>(std::move(s))) {}
  Value(std::string_view s) : Value(std::string(s)) {}
  Value(const char* s) : Value(std::string(s)) {}
  Value(List items) : kind_(Kind::kList), shared_(std::make_shared<const List>(std::move(items))) {}
  Value(Dict entries) : kind_(Kind::kDict), shared_(std::make_shared<const Dict>(std::move(entries))) {}
  Value(std::shared_ptr<Object> object) : kind_(Kind::kObject), shared_(std::move(object)) {}
  static Value Tuple(List items);
  // A string that "|safe" or "|escape" made: "+" escapes what is joined to it.
  static Value Markup(std::string s);
  bool is_markup() const { return kind_ == Kind::kString && integer_ != 0; }
  static Value Undefined(std::string name);  // the name is for error messages

  Kind kind() const { return kind_; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool is_dict() const { return kind_ == Kind::kDict; }
  bool is_number() const { return is_integer() || kind_ == Kind::kFloat; }
  bool is_integer() const { return kind_ == Kind::kBool || kind_ == Kind::kInt; }

  // Each only for its kind; integer() and number() take bool as 0 and 1.
  const std::string& string() const { return *static_cast<const std::string*>(shared_.get()); }
  const List& list() const { return *static_cast<const List*>(shared_.get()); }
  const Dict& dict() const { return *static_cast<const Dict*>(shared_.get()); }
  std::shared_ptr<Object> object() const { return std::static_pointer_cast<Object>(std::const_pointer_cast<void>(shared_)); }
  int64_t integer() const { return integer_; }
  double number() const { return kind_ == Kind::kFloat ? float_ : static_cast<double>(integer_); }
  std::string undefined_name() const { return shared_ ? string() : "value"; }

  bool Truth() const;
  // Python's ==. Values of different kinds are unequal, but numbers compare as numbers.
  bool Equals(const Value& other) const;
  // The value of a key, null when there is none. Only for dicts.
  const Value* Find(std::string_view key) const;
  const Value* Find(const Value& key) const;
  // As Python names the type: "str", "int", "dict", ...
  std::string_view TypeName() const;
  std::string Str() const;
  std::string Repr() const;

 private:
  Kind kind_ = Kind::kUndefined;
  int64_t integer_ = 0;
  double float_ = 0;
  std::shared_ptr<const void> shared_;  // what kind_ says; kUndefined: its name, or null
};

struct JsonStyle {
  int indent = -1;  // -1: one line
  std::string item_separator = ", ", key_separator = ": ";
  bool sort_keys = false, ensure_ascii = false;
};
// json.dumps. Throws TemplateError for what JSON can not say.
std::string ToJson(const Value& value, const JsonStyle& style);

std::string FloatRepr(double d);
std::string StringRepr(std::string_view s);

// Values are trees that callers build; this only bounds recursion over them.
void CheckNesting(int depth);

// What goes wrong inside a template; never leaves this folder (Parse and Render
// turn it into a Status).
struct TemplateError {
  std::string message;
  bool unsupported = false;  // well-formed Jinja that this subset leaves out
};

}  // namespace hasten::chat
