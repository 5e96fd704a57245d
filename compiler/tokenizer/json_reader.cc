// Typed access to JSON values with their place in every error.
#include "compiler/tokenizer/json_reader.h"

#include "runtime/engine/tokenizer/unicode.h"

namespace hasten::tokimport {
namespace {
const nlohmann::json& Null() {
  static const nlohmann::json null;
  return null;
}
}  // namespace

Node Node::Get(std::string_view key) const {
  std::string path = path_.empty() ? std::string(key) : StrCat(path_, ".", key);
  if (!value_->is_object()) return {Null(), std::move(path)};
  const auto it = value_->find(std::string(key));
  return {it == value_->end() ? Null() : *it, std::move(path)};
}

Status Node::Wrong(std::string_view wanted) const {
  return BadInput(path_, " must be ", wanted, ", is ", value_->is_null() ? "absent or null" : value_->type_name());
}

Result<std::string> Node::Text(std::optional<std::string> fallback) const {
  if (is_null() && fallback) return *fallback;
  if (!value_->is_string()) return Wrong("a string");
  return value_->get_ref<const std::string&>();
}

Result<bool> Node::Flag(std::optional<bool> fallback) const {
  if (is_null() && fallback) return *fallback;
  if (!value_->is_boolean()) return Wrong("true or false");
  return value_->get<bool>();
}

Result<uint32_t> Node::Count(std::optional<uint32_t> fallback) const {
  if (is_null() && fallback) return *fallback;
  if (!value_->is_number_unsigned() || value_->get<uint64_t>() > 0xFFFFFFFFu) return Wrong("a whole number below 2^32");
  return static_cast<uint32_t>(value_->get<uint64_t>());
}

Result<double> Node::Number() const {
  if (!value_->is_number()) return Wrong("a number");
  return value_->get<double>();
}

Result<uint32_t> Node::Character() const {
  if (!value_->is_string()) return Wrong("a string of one character");
  const auto& s = value_->get_ref<const std::string&>();
  if (s.empty() || tok::CountChars(s) != 1) return Wrong("a string of one character");
  int n = 0;
  return tok::Utf8At(s.data(), &n);
}

Status Node::NeedArray() const { return value_->is_array() ? Status() : Wrong("a list"); }
Status Node::NeedObject() const { return value_->is_object() ? Status() : Wrong("an object"); }

}  // namespace hasten::tokimport
