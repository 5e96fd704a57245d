// A JSON value together with its place in the document, so that every error says
// where ("pre_tokenizer.pretokenizers[1].pattern"). Getters fail with a Status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "runtime/base/status.h"

namespace hasten::tokimport {

class Node {
 public:
  Node(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  const nlohmann::json& json() const { return *value_; }
  const std::string& path() const { return path_; }
  bool is_null() const { return value_->is_null(); }
  // The member of an object; a null node when the key is absent or this is no object.
  Node Get(std::string_view key) const;
  Node At(size_t index) const { return {(*value_)[index], StrCat(path_, "[", index, "]")}; }
  size_t size() const { return value_->size(); }

  // The fallback serves for absent and null; without one the value is required.
  Result<std::string> Text(std::optional<std::string> fallback = std::nullopt) const;
  Result<bool> Flag(std::optional<bool> fallback = std::nullopt) const;
  Result<uint32_t> Count(std::optional<uint32_t> fallback = std::nullopt) const;
  Result<double> Number() const;
  // A string of exactly one character, as its code point.
  Result<uint32_t> Character() const;
  Status NeedArray() const;
  Status NeedObject() const;
  // An error about this node: "<path> <message>".
  template <class... Ts>
  Status Error(const Ts&... parts) const {
    return BadInput(path_, " ", parts...);
  }
  template <class... Ts>
  Status Refuse(const Ts&... parts) const {
    return Unsupported(path_, " ", parts...);
  }

 private:
  Status Wrong(std::string_view wanted) const;
  const nlohmann::json* value_;
  std::string path_;
};

}  // namespace hasten::tokimport
