#include "calib/gate/toml_reader.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "passes/nearest.h"

namespace hasten::gate {
namespace {

std::string LineOf(const toml::node& node) { return StrCat("line ", static_cast<int64_t>(node.source().begin.line), ": "); }

std::string AsText(const toml::node& node) {
  std::ostringstream text;
  node.visit([&text](const auto& value) { text << value; });
  return text.str().substr(0, 60);
}

}  // namespace

std::string TomlReader::Path(std::string_view key) const { return where_.empty() ? std::string(key) : StrCat(where_, ".", key); }

void TomlReader::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

const toml::node* TomlReader::Take(std::string_view key) {
  known_.emplace_back(key);
  return table_.get(key);
}

Status TomlReader::Wrong(std::string_view key, const toml::node& node, std::string_view needed) const {
  return UsageError(LineOf(node), Path(key), " = ", AsText(node), ": ", needed, " is needed");
}

void TomlReader::Number(std::string_view key, double& out, double least, double most) {
  const toml::node* node = Take(key);
  if (!node) return;
  const std::optional<double> value = node->is_number() ? node->value<double>() : std::nullopt;
  if (!value || !std::isfinite(*value) || *value < least || *value > most) return Fail(Wrong(key, *node, StrCat("a number from ", least, " to ", most)));
  out = *value;
}

void TomlReader::Integer(std::string_view key, int64_t& out, int64_t least, int64_t most) {
  const toml::node* node = Take(key);
  if (!node) return;
  const std::optional<int64_t> value = node->is_integer() ? node->value<int64_t>() : std::nullopt;
  if (!value || *value < least || *value > most) return Fail(Wrong(key, *node, StrCat("an integer from ", least, " to ", most)));
  out = *value;
}

void TomlReader::Text(std::string_view key, std::string& out) {
  const toml::node* node = Take(key);
  if (!node) return;
  if (!node->is_string()) return Fail(Wrong(key, *node, "text in quotes"));
  out = node->as_string()->get();
}

void TomlReader::Flag(std::string_view key, bool& out) {
  const toml::node* node = Take(key);
  if (!node) return;
  if (!node->is_boolean()) return Fail(Wrong(key, *node, "true or false"));
  out = node->as_boolean()->get();
}

const toml::table* TomlReader::Table(std::string_view key) {
  const toml::node* node = Take(key);
  if (!node) return nullptr;
  if (!node->is_table()) Fail(Wrong(key, *node, "a table"));
  return node->as_table();
}

const toml::array* TomlReader::Array(std::string_view key) {
  const toml::node* node = Take(key);
  if (!node) return nullptr;
  if (!node->is_array()) Fail(Wrong(key, *node, "a list"));
  return node->as_array();
}

Status TomlReader::Finish() const {
  if (!status_.ok()) return status_;
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  for (const auto& [key, node] : table_) {
    const std::string_view name = key.str();
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string_view nearest = passes::Nearest(name, known, std::max<size_t>(3, name.size() / 2));
    return UsageError(LineOf(node), "there is no key ", Path(name), nearest.empty() ? std::string() : StrCat("; did you mean ", nearest, "?"));
  }
  return {};
}

}  // namespace hasten::gate
