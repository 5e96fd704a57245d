// Renders many chat templates, for compare_chat.py, which holds the results
// against jinja2 set up as transformers does. Not a user's tool.
// stdin: one JSON object a line: {"template": ..., "now": seconds or null,
// "variables": {...}}; stdout: one JSON object a line, {"text": ...} or {"error": ...}.
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "runtime/engine/chat/chat_template.h"

namespace {

using nlohmann::ordered_json;

hasten::chat::Value ToValue(const ordered_json& j) {
  if (j.is_null()) return nullptr;
  if (j.is_boolean()) return j.get<bool>();
  if (j.is_number_integer()) return j.get<int64_t>();
  if (j.is_number()) return j.get<double>();
  if (j.is_string()) return j.get<std::string>();
  if (j.is_array()) {
    hasten::chat::List list;
    for (const auto& item : j) list.push_back(ToValue(item));
    return hasten::chat::Value(std::move(list));
  }
  hasten::chat::Dict dict;
  for (const auto& [key, value] : j.items()) dict.emplace_back(hasten::chat::Value(key), ToValue(value));
  return hasten::chat::Value(std::move(dict));
}

ordered_json Render(const ordered_json& request) {
  const auto parsed = hasten::ChatTemplate::Parse(request["template"].get<std::string>());
  if (!parsed.ok()) return {{"error", parsed.status().message()}};
  hasten::ChatInput input;
  if (!request["now"].is_null()) input.now = request["now"].get<int64_t>();
  for (const auto& [key, value] : request["variables"].items()) input.variables.emplace_back(key, ToValue(value));
  const auto text = (*parsed)->Render(input);
  if (!text.ok()) return {{"error", text.status().message()}};
  return {{"text", *text}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) std::cout << Render(ordered_json::parse(line)).dump() << "\n";
  return 0;
}
