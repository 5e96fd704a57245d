// The C interface (include/hasten.h) over Model, Context and Tokenizer: the only
// file with extern "C". Every body catches everything, checks its pointers, and
// runs in the canonical floating-point environment. No logic of its own.
#include "runtime/include/hasten.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/sha256.h"
#include "runtime/c_handles.h"
#include "runtime/engine/chat/chat_template.h"
#include "runtime/engine/tokenizer/tokenizer.h"
#include "runtime/format/model_info_generated.h"
#include "runtime/kernels/sample/contract.h"

#ifndef HASTEN_VERSION
#error "the build defines HASTEN_VERSION"
#endif

namespace {

using hasten::Code;
using hasten::Result;
using hasten::Status;
using hasten::UsageError;
using namespace hasten::c_api;  // NOLINT: the other half of this file

const char* OrEmpty(const flatbuffers::String* s) { return s ? s->c_str() : ""; }

Status Give(std::string text, hst_text** out) {
  *out = new hst_text{std::move(text)};
  return {};
}

std::string HexOf(const flatbuffers::Vector<uint8_t>* digest) {
  return digest ? hasten::HexDigest({digest->data(), digest->size()}) : std::string();
}

void Log(const hst_model& model, const std::string& message) {
  if (model.log) model.log(model.log_user, message.data(), message.size());
}

Result<std::string_view> StringOf(const hst_model& m, uint32_t which) {
  const hasten::fb::Provenance* p = m.model->info().provenance();
  switch (which) {
    case HST_STRING_PATH: return std::string_view(m.model->file().path());
    case HST_STRING_ISA: return hasten::IsaName(m.model->isa());
    case HST_STRING_ARCHITECTURE: return std::string_view(p ? OrEmpty(p->architecture()) : "");
    case HST_STRING_TOOL_VERSION: return std::string_view(p ? OrEmpty(p->tool_version()) : "");
    case HST_STRING_RECIPE: return std::string_view(p ? OrEmpty(p->recipe()) : "");
    case HST_STRING_SOURCE_DIGEST: return std::string_view(m.source_digest);
    case HST_STRING_CALIBRATION_DIGEST: return std::string_view(m.calibration_digest);
    case HST_STRING_LICENCE: return std::string_view(p ? OrEmpty(p->licence()) : "");
    case HST_STRING_CARD: return std::string_view(OrEmpty(m.model->info().card()));
    default: return UsageError("string ", which, " is not known");
  }
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

uint32_t hst_abi_version(void) { return HST_ABI_VERSION; }
const char* hst_version(void) { return HASTEN_VERSION; }

hst_status hst_error_status(const hst_error* error) { return error ? error->status : HST_OK; }
const char* hst_error_message(const hst_error* error) { return error ? error->message.c_str() : ""; }
void hst_error_free(hst_error* error) {
  if (error != NoMemory()) delete error;
}

hst_status hst_model_open(const char* path, const hst_model_options* options, hst_model** model, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(path);
    HST_NOT_NULL(model);
    *model = nullptr;
    HST_ASSIGN_OR_RETURN(const hst_model_options o, ReadOptions<hst_model_options>(options, HST_MODEL_OPTIONS_INIT));
    hasten::ModelOptions mo;
    mo.verify_digests = o.verify != 0;
    if (o.isa) {
      HST_ASSIGN_OR_RETURN(mo.isa, hasten::ParseIsa(o.isa));
    }
    auto handle = std::make_unique<hst_model>();
    HST_ASSIGN_OR_RETURN(handle->model, hasten::Model::Open(path, mo));
    if (const hasten::fb::Provenance* p = handle->model->info().provenance()) {
      handle->source_digest = HexOf(p->source_digest());
      handle->calibration_digest = HexOf(p->calibration_digest());
    }
    handle->log = o.log;
    handle->log_user = o.log_user;
    Log(*handle, hasten::StrCat("opened ", path, ": ", handle->model->instructions().size(), " instructions, kernels for ",
                                hasten::IsaName(handle->model->isa())));
    *model = handle.release();
    return {};
  });
}

void hst_model_free(hst_model* model) { delete model; }

hst_status hst_model_verify(const hst_model* model, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    return model->model->file().VerifyDigests();
  });
}

hst_status hst_model_get_info(const hst_model* model, hst_model_info* info, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    const hasten::Model& m = *model->model;
    const bool has_tokenizer = m.file().Find(hasten::SectionKind::kTokenizer) != nullptr;
    bool has_chat = false;
    if (has_tokenizer) {
      HST_ASSIGN_OR_RETURN(const hasten::Tokenizer* t, m.tokenizer());
      has_chat = !t->chat().templates.empty();
    }
    return WriteInfo(info, {0, static_cast<uint32_t>(m.vocab()), m.max_positions(), static_cast<uint32_t>(m.layers().size()),
                            m.program().outputs()->size(), static_cast<uint32_t>(m.instructions().size()), m.program().token_types(),
                            m.causal(), static_cast<uint32_t>(m.kv_type()), has_tokenizer, has_chat, m.file().file_bytes()});
  });
}

hst_status hst_model_get_string(const hst_model* model, uint32_t which, const char** data, size_t* size, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    HST_NOT_NULL(data);
    HST_NOT_NULL(size);
    HST_ASSIGN_OR_RETURN(const std::string_view s, StringOf(*model, which));
    *data = s.data();
    *size = s.size();
    return {};
  });
}

hst_status hst_model_get_generation(const hst_model* model, hst_generation* generation, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    hst_generation out{0, 0, nullptr, 0, -1, -1, 1.0f, 1.0f, 0.0f, 1.0f, 0, 0};
    if (const hasten::fb::Generation* g = model->model->info().generation())
      out = {0, g->do_sample(), g->eos_ids() ? g->eos_ids()->data() : nullptr, g->eos_ids() ? g->eos_ids()->size() : 0, g->bos_id(),
             g->pad_id(), g->temperature(), g->top_p(), g->min_p(), g->repetition_penalty(), g->top_k(), g->max_length()};
    return WriteInfo(generation, out);
  });
}

hst_status hst_model_get_layer(const hst_model* model, uint32_t layer, hst_layer_info* info, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    const auto* layers = model->model->program().layers();
    if (layer >= model->model->layers().size()) return UsageError("layer ", layer, " of ", model->model->layers().size());
    const hasten::fb::Layer& l = *layers->Get(layer);
    return WriteInfo(info, {0, l.heads(), l.kv_heads(), l.head_dim(), l.v_head_dim(), l.causal(), static_cast<int64_t>(l.window()),
                            OrEmpty(l.past_k()), OrEmpty(l.past_v()), OrEmpty(l.present_k()), OrEmpty(l.present_v())});
  });
}

hst_status hst_model_get_output(const hst_model* model, uint32_t output, hst_output_info* info, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    const auto& outputs = *model->model->program().outputs();
    if (output >= outputs.size()) return UsageError("output ", output, " of ", outputs.size());
    const hasten::fb::Output& o = *outputs.Get(output);
    return WriteInfo(info, {0, static_cast<uint32_t>(o.kind()), OrEmpty(o.name()), o.view()->cols(), o.row()});
  });
}

hst_status hst_model_get_instruction(const hst_model* model, uint32_t instruction, hst_instruction_info* info, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    const auto bound = model->model->instructions();
    if (instruction >= bound.size()) return UsageError("instruction ", instruction, " of ", bound.size());
    const hasten::fb::Instr& i = *model->model->program().instrs()->Get(instruction);
    return WriteInfo(info, {0, hasten::fb::EnumNameOp(i.op_type()), bound[instruction]->kernel(), OrEmpty(i.loc())});
  });
}

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

hst_status hst_context_create(const hst_model* model, const hst_context_options* options, hst_context** context, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    HST_NOT_NULL(context);
    *context = nullptr;
    HST_ASSIGN_OR_RETURN(const hst_context_options o, ReadOptions<hst_context_options>(options, HST_CONTEXT_OPTIONS_INIT));
    if (o.threads > 256) return UsageError("threads is ", o.threads, "; 0 (automatic) to 256 are allowed");
    auto handle = std::make_unique<hst_context>();
    hasten::ContextOptions co;
    co.threads = static_cast<int>(o.threads);
    co.kv_tokens = o.kv_tokens;
    co.max_rows = o.max_rows;
    co.prefill_chunk = o.prefill_chunk;
    co.profile = o.profile != 0;
    co.cancel = &handle->cancel;
    handle->model = model->model;
    HST_ASSIGN_OR_RETURN(handle->context, hasten::Context::Create(model->model, co));
    Log(*model, hasten::StrCat("context: ", handle->context->threads(), " threads, steps of ", handle->context->max_rows(),
                               " rows, KV cache of ", handle->context->kv_tokens(), " tokens"));
    *context = handle.release();
    return {};
  });
}

void hst_context_free(hst_context* context) {
  if (!context) return;
  while (context->busy.exchange(true, std::memory_order_acquire)) {
    context->cancel.store(true, std::memory_order_relaxed);
    std::this_thread::yield();
  }
  delete context;
}

hst_status hst_context_get_info(hst_context* context, hst_context_info* info, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) {
    return WriteInfo(info, {0, static_cast<uint32_t>(c.threads()), c.max_rows(), c.kv_tokens(), c.free_kv_tokens()});
  });
}

hst_status hst_sequence_create(hst_context* context, hst_sequence* sequence, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(sequence);
    *sequence = c.CreateSequence();
    return *sequence ? Status() : hasten::ResourceError("too many sequences");
  });
}

hst_status hst_sequence_fork(hst_context* context, hst_sequence source, hst_sequence* sequence, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(sequence);
    HST_ASSIGN_OR_RETURN(*sequence, c.ForkSequence(source));
    return {};
  });
}

hst_status hst_sequence_truncate(hst_context* context, hst_sequence sequence, int64_t length, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) { return c.TruncateSequence(sequence, length); });
}

hst_status hst_sequence_length(hst_context* context, hst_sequence sequence, int64_t* length, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(length);
    HST_ASSIGN_OR_RETURN(*length, c.SequenceLength(sequence));
    return {};
  });
}

hst_status hst_sequence_free(hst_context* context, hst_sequence sequence, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) { return c.FreeSequence(sequence); });
}

hst_status hst_evaluate(hst_context* context, const hst_eval_item* items, size_t count, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    if (!items && count > 0) return UsageError("items is NULL");
    context->items.clear();
    const size_t stride = count ? items[0].struct_size : 0;
    if (count && stride < sizeof(hst_eval_item)) return UsageError("struct_size is ", stride, "; use HST_EVAL_ITEM_INIT");
    for (size_t i = 0; i < count; ++i) {
      const auto& item = *reinterpret_cast<const hst_eval_item*>(reinterpret_cast<const char*>(items) + i * stride);
      if (item.struct_size != stride) return UsageError("item ", i, ": struct_size is ", item.struct_size, ", of the first item ", stride);
      if (!item.tokens && item.count > 0) return UsageError("item ", i, ": tokens is NULL");
      if (item.want > HST_WANT_ALL) return UsageError("item ", i, ": want ", item.want, " is not known");
      context->items.push_back({item.sequence, {item.tokens, item.count}, {}, static_cast<hasten::Want>(item.want)});
      if (item.token_types) context->items.back().token_types = {item.token_types, item.count};
    }
    Status status = c.Evaluate(context->items);
    if (status.code() == Code::kCancelled) context->cancel.store(false, std::memory_order_relaxed);
    return status;
  });
}

void hst_cancel(hst_context* context) {
  if (context) context->cancel.store(true, std::memory_order_relaxed);
}

hst_status hst_get_rows(hst_context* context, size_t item, uint32_t output, hst_rows* rows, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_ASSIGN_OR_RETURN(const hasten::OutputRows r, c.Output(item, output));
    return WriteInfo(rows, {0, 0, r.data, r.rows, r.cols, r.stride});
  });
}

hst_status hst_sample(hst_context* context, const float* logits, size_t count, const int32_t* recent, size_t recent_count,
                      int64_t position, const hst_sample_options* options, int32_t* token, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(logits);
    HST_NOT_NULL(token);
    if (!recent && recent_count > 0) return UsageError("recent is NULL");
    if (count == 0 || count > (1u << 30)) return UsageError("count is ", count);
    HST_ASSIGN_OR_RETURN(const hst_sample_options o, ReadOptions<hst_sample_options>(options, HST_SAMPLE_OPTIONS_INIT));
    const hasten::SampleOptions so{o.temperature, o.top_k, o.top_p, o.min_p, o.repetition_penalty, o.seed};
    HST_RETURN_IF_ERROR(hasten::CheckSampleOptions(so));
    // Rows that pad the head beyond the vocabulary are never chosen.
    count = std::min(count, static_cast<size_t>(c.model().vocab()));
    for (size_t i = 0; i < recent_count; ++i)
      if (recent[i] < 0) return UsageError("recent token ", recent[i], " is negative");
    context->sample_work.resize(hasten::SampleWorkBytes(count));
    HST_ASSIGN_OR_RETURN(*token, hasten::Sample({logits, count}, {recent, recent_count}, position, so, context->sample_work));
    return {};
  });
}

hst_status hst_kv_export(hst_context* context, hst_sequence sequence, uint32_t layer, float* k, size_t k_count, float* v, size_t v_count,
                         hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    if ((!k && k_count > 0) || (!v && v_count > 0)) return UsageError("k or v is NULL");
    return c.ExportKv(sequence, layer, {k, k_count}, {v, v_count});
  });
}

hst_status hst_kv_import(hst_context* context, hst_sequence sequence, int64_t tokens, const float* const* k, const float* const* v,
                         uint32_t layers, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(k);
    HST_NOT_NULL(v);
    return c.ImportKv(sequence, tokens, {k, layers}, {v, layers});
  });
}

hst_status hst_kv_saved_size(hst_context* context, hst_sequence sequence, size_t* size, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(size);
    HST_ASSIGN_OR_RETURN(*size, c.SavedBytes(sequence));
    return {};
  });
}

hst_status hst_kv_save(hst_context* context, hst_sequence sequence, void* data, size_t size, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(data);
    return c.SaveKv(sequence, {static_cast<std::byte*>(data), size});
  });
}

hst_status hst_kv_restore(hst_context* context, hst_sequence sequence, const void* data, size_t size, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(data);
    return c.RestoreKv(sequence, {static_cast<const std::byte*>(data), size});
  });
}

hst_status hst_get_profile(hst_context* context, uint32_t instruction, uint64_t* calls, uint64_t* nanoseconds, hst_error** error) {
  return GuardContext(context, error, [&](hasten::Context& c) -> Status {
    HST_NOT_NULL(calls);
    HST_NOT_NULL(nanoseconds);
    if (instruction >= c.model().instructions().size()) return UsageError("instruction ", instruction, " of ", c.model().instructions().size());
    const bool measured = instruction < c.profile().size();
    *calls = measured ? c.profile()[instruction].calls : 0;
    *nanoseconds = measured ? c.profile()[instruction].nanoseconds : 0;
    return {};
  });
}

}  // extern "C"
