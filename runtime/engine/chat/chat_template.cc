// The edge of the template interpreter: in here failures are exceptions, out
// there they are Statuses.
#include "runtime/engine/chat/chat_template.h"

#include <new>

#include "runtime/engine/chat/ast.h"
#include "runtime/engine/chat/interpreter.h"
#include "runtime/engine/chat/parser.h"
#include "runtime/engine/tokenizer/unicode.h"

namespace hasten {
namespace {

constexpr size_t kMaxSource = 1 << 20;

Status ToStatus(const chat::TemplateError& e) {
  return e.unsupported ? Unsupported("chat template: ", e.message) : BadInput("chat template: ", e.message);
}

}  // namespace

struct ChatTemplate::Impl {
  chat::Body body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::~ChatTemplate() = default;

void ChatInput::Add(std::string_view role, std::string_view content) {
  const auto text = [](std::string_view s) {
    std::string out;
    tok::AppendLossy(out, s);
    return chat::Value(std::move(out));
  };
  chat::List list = messages.is_sequence() ? messages.list() : chat::List();
  list.push_back(chat::Value(chat::Dict{{"role", text(role)}, {"content", text(content)}}));
  messages = chat::Value(std::move(list));
}

Result<std::unique_ptr<ChatTemplate>> ChatTemplate::Parse(std::string_view source) {
  if (source.size() > kMaxSource) return BadInput("chat template: ", source.size(), " bytes, at most ", kMaxSource);
  if (!tok::IsValidUtf8(source)) return BadInput("chat template: is not UTF-8");
  try {
    auto impl = std::make_unique<Impl>();
    impl->body = chat::ParseTemplate(source);
    return std::unique_ptr<ChatTemplate>(new ChatTemplate(std::move(impl)));
  } catch (const chat::TemplateError& e) {
    return ToStatus(e);
  } catch (const std::bad_alloc&) {
    return ResourceError("chat template: no memory");
  }
}

Result<std::string> ChatTemplate::Render(const ChatInput& input) const {
  try {
    chat::Interpreter interpreter(chat::Limits{}, input.now);
    const auto globals = std::make_shared<chat::Scope>();
    globals->Set("messages", input.messages);
    globals->Set("add_generation_prompt", input.add_generation_prompt);
    globals->Set("tools", input.tools);
    globals->Set("documents", input.documents);
    const std::pair<const char*, const std::optional<std::string>*> tokens[] = {
        {"bos_token", &input.bos_token}, {"eos_token", &input.eos_token},
        {"unk_token", &input.unk_token}, {"pad_token", &input.pad_token}};
    for (const auto& [name, token] : tokens)
      if (*token) globals->Set(name, chat::Value(**token));
    for (const auto& [name, value] : input.variables) globals->Set(name, value);
    return interpreter.Render(impl_->body, globals);
  } catch (const chat::TemplateError& e) {
    return ToStatus(e);
  } catch (const std::bad_alloc&) {
    return ResourceError("chat template: no memory");
  }
}

}  // namespace hasten
