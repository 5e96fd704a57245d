// Chat templates: the Jinja source that a model ships with, from messages to the
// prompt text, equal to what `transformers` renders (jinja2's immutable sandbox
// with trim_blocks, lstrip_blocks and loop controls). A bounded subset: what it
// leaves out is refused by name and line, and no template runs for ever.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/engine/chat/value.h"

namespace hasten {

struct ChatInput {
  // A list of dicts with "role" and "content" (and whatever else the template reads).
  chat::Value messages = chat::Value(chat::List());
  bool add_generation_prompt = true;
  // As transformers: None when not given, so "tools is none" holds.
  chat::Value tools = nullptr, documents = nullptr;
  // Undefined when the model has none.
  std::optional<std::string> bos_token, eos_token, unk_token, pad_token;
  // What strftime_now shows: seconds since 1970, in the caller's zone. Without it
  // a template that asks for the time is refused.
  std::optional<int64_t> now;
  // Further variables (enable_thinking, date_string, ...). They override the above.
  std::vector<std::pair<std::string, chat::Value>> variables;

  // Appends {"role": role, "content": content}. UTF-8; ill-formed parts become U+FFFD.
  void Add(std::string_view role, std::string_view content);
};

class ChatTemplate {
 public:
  // Parses a template of at most 1 MiB.
  static Result<std::unique_ptr<ChatTemplate>> Parse(std::string_view source);
  ~ChatTemplate();

  // Thread-safe. Fails when the template raises an exception (a conversation it
  // does not allow), uses something undefined, or exceeds the limits.
  Result<std::string> Render(const ChatInput& input) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hasten
