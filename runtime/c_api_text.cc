// The C interface, text: tokens and back, chat templates, streams of text.
#include <memory>
#include <string>
#include <vector>

#include "runtime/c_handles.h"
#include "runtime/engine/chat/chat_template.h"
#include "runtime/engine/tokenizer/tokenizer.h"

namespace {

using hasten::Result;
using hasten::Status;
using hasten::UsageError;
using namespace hasten::c_api;  // NOLINT: what this file is made of

Status Give(std::string text, hst_text** out) {
  *out = new hst_text{std::move(text)};
  return {};
}

Result<const hasten::ChatConfig::Named*> TemplateOf(const hasten::ChatConfig& chat, const char* name) {
  if (chat.templates.empty()) return hasten::Unsupported("the model has no chat template");
  if (!name) return &chat.templates.front();
  for (const auto& t : chat.templates)
    if (t.name == name) return &t;
  return UsageError("the model has no chat template \"", name, "\"");
}

Status AddVariables(const hst_chat_options& o, hasten::ChatInput& input) {
  if (!o.variables && o.variable_count > 0) return UsageError("variables is NULL");
  for (size_t i = 0; i < o.variable_count; ++i) {
    const hst_chat_variable& v = o.variables[i];
    HST_ASSIGN_OR_RETURN(const std::string_view name, View("variable name", v.name.data, v.name.size));
    HST_ASSIGN_OR_RETURN(const std::string_view value, View("variable value", v.value.data, v.value.size));
    if (v.is_bool && value != "true" && value != "false") return UsageError("variable \"", name, "\" must be true or false");
    input.variables.emplace_back(std::string(name), v.is_bool ? hasten::chat::Value(value == "true") : hasten::chat::Value(value));
  }
  return {};
}

}  // namespace

extern "C" {

const int32_t* hst_tokens_data(const hst_tokens* tokens, size_t* count) {
  if (count) *count = tokens ? tokens->ids.size() : 0;
  return tokens ? tokens->ids.data() : nullptr;
}
void hst_tokens_free(hst_tokens* tokens) { delete tokens; }
const char* hst_text_data(const hst_text* text, size_t* size) {
  if (size) *size = text ? text->text.size() : 0;
  return text ? text->text.c_str() : "";
}
void hst_text_free(hst_text* text) { delete text; }

hst_status hst_encode(const hst_model* model, const char* text, size_t size, const hst_encode_options* options, hst_tokens** tokens,
                      hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    HST_NOT_NULL(tokens);
    *tokens = nullptr;
    HST_ASSIGN_OR_RETURN(const std::string_view input, View("text", text, size));
    HST_ASSIGN_OR_RETURN(const hst_encode_options o, ReadOptions<hst_encode_options>(options, HST_ENCODE_OPTIONS_INIT));
    HST_ASSIGN_OR_RETURN(const hasten::Tokenizer* t, model->model->tokenizer());
    const hasten::EncodeOptions eo{o.no_special_tokens == 0, o.plain_special == 0};
    auto ids = o.pair ? t->EncodePair(input, {o.pair, o.pair_size}, eo) : t->Encode(input, eo);
    if (!ids.ok()) return std::move(ids).status();
    *tokens = new hst_tokens{*std::move(ids)};
    return {};
  });
}

hst_status hst_decode(const hst_model* model, const int32_t* tokens, size_t count, uint32_t keep_special, hst_text** text,
                      hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    HST_NOT_NULL(text);
    *text = nullptr;
    if (!tokens && count > 0) return UsageError("tokens is NULL");
    HST_ASSIGN_OR_RETURN(const hasten::Tokenizer* t, model->model->tokenizer());
    HST_ASSIGN_OR_RETURN(std::string out, t->Decode({tokens, count}, keep_special == 0));
    return Give(std::move(out), text);
  });
}

hst_status hst_token_text(const hst_model* model, int32_t token, hst_text** text, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    HST_NOT_NULL(text);
    *text = nullptr;
    HST_ASSIGN_OR_RETURN(const hasten::Tokenizer* t, model->model->tokenizer());
    std::optional<std::string> s = t->IdToToken(token);
    if (!s) return UsageError("the vocabulary has no token ", token);
    return Give(*std::move(s), text);
  });
}

hst_status hst_token_id(const hst_model* model, const char* text, size_t size, int32_t* token, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    HST_NOT_NULL(token);
    HST_ASSIGN_OR_RETURN(const std::string_view s, View("text", text, size));
    HST_ASSIGN_OR_RETURN(const hasten::Tokenizer* t, model->model->tokenizer());
    const std::optional<int32_t> id = t->TokenToId(s);
    if (!id) return UsageError("the vocabulary has no token \"", s, "\"");
    *token = *id;
    return {};
  });
}

hst_status hst_chat_render(const hst_model* model, const hst_chat_message* messages, size_t count, const hst_chat_options* options,
                           hst_text** text, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    HST_NOT_NULL(text);
    *text = nullptr;
    if (!messages && count > 0) return UsageError("messages is NULL");
    HST_ASSIGN_OR_RETURN(const hst_chat_options o, ReadOptions<hst_chat_options>(options, HST_CHAT_OPTIONS_INIT));
    HST_ASSIGN_OR_RETURN(const hasten::Tokenizer* t, model->model->tokenizer());
    const hasten::ChatConfig& chat = t->chat();
    HST_ASSIGN_OR_RETURN(const hasten::ChatConfig::Named* source, TemplateOf(chat, o.template_name));
    HST_ASSIGN_OR_RETURN(const auto parsed, hasten::ChatTemplate::Parse(source->source));
    hasten::ChatInput input;
    for (size_t i = 0; i < count; ++i) {
      HST_ASSIGN_OR_RETURN(const std::string_view role, View("role", messages[i].role.data, messages[i].role.size));
      HST_ASSIGN_OR_RETURN(const std::string_view content, View("content", messages[i].content.data, messages[i].content.size));
      input.Add(role, content);
    }
    input.add_generation_prompt = o.no_generation_prompt == 0;
    input.bos_token = chat.bos_token, input.eos_token = chat.eos_token;
    input.unk_token = chat.unk_token, input.pad_token = chat.pad_token;
    if (o.has_now) input.now = o.now;
    HST_RETURN_IF_ERROR(AddVariables(o, input));
    HST_ASSIGN_OR_RETURN(std::string out, parsed->Render(input));
    return Give(std::move(out), text);
  });
}

hst_status hst_stream_create(const hst_model* model, const hst_stream_options* options, hst_stream** stream, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    HST_NOT_NULL(stream);
    *stream = nullptr;
    HST_ASSIGN_OR_RETURN(const hst_stream_options o, ReadOptions<hst_stream_options>(options, HST_STREAM_OPTIONS_INIT));
    if (!o.stops && o.stop_count > 0) return UsageError("stops is NULL");
    std::vector<std::string> stops;
    for (size_t i = 0; i < o.stop_count; ++i) {
      HST_ASSIGN_OR_RETURN(const std::string_view s, View("stop string", o.stops[i].data, o.stops[i].size));
      stops.emplace_back(s);
    }
    HST_ASSIGN_OR_RETURN(const hasten::Tokenizer* t, model->model->tokenizer());
    *stream = new hst_stream{model->model, hasten::TextStream(*t, o.keep_special == 0, std::move(stops)), {}};
    return {};
  });
}

hst_status hst_stream_push(hst_stream* stream, int32_t token, const char** text, size_t* size, uint32_t* stopped, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(stream);
    HST_NOT_NULL(text);
    HST_NOT_NULL(size);
    HST_ASSIGN_OR_RETURN(stream->text, stream->stream.Push(token));
    *text = stream->text.data();
    *size = stream->text.size();
    if (stopped) *stopped = stream->stream.stopped();
    return {};
  });
}

hst_status hst_stream_finish(hst_stream* stream, const char** text, size_t* size, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(stream);
    HST_NOT_NULL(text);
    HST_NOT_NULL(size);
    HST_ASSIGN_OR_RETURN(stream->text, stream->stream.Finish());
    *text = stream->text.data();
    *size = stream->text.size();
    return {};
  });
}

void hst_stream_free(hst_stream* stream) { delete stream; }

}  // extern "C"
