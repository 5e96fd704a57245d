#include "calib/abi/artifact.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace hasten::calib {
namespace {

// The C call's outcome as a Status; frees the error.
Status ToStatus(hst_status code, hst_error* error) {
  if (code == HST_OK) return {};
  Status status(static_cast<Code>(code), error ? hst_error_message(error) : "failed");
  hst_error_free(error);
  return status;
}

// Calls f(..., &error).
template <class F>
Status Call(const F& f) {
  hst_error* error = nullptr;
  const hst_status code = f(&error);
  return ToStatus(code, error);
}

std::vector<int32_t> TakeTokens(hst_tokens* tokens) {
  size_t count = 0;
  const int32_t* data = hst_tokens_data(tokens, &count);
  std::vector<int32_t> out(data, data + count);
  hst_tokens_free(tokens);
  return out;
}

std::string TakeText(hst_text* text) {
  size_t size = 0;
  const char* data = hst_text_data(text, &size);
  std::string out(data, size);
  hst_text_free(text);
  return out;
}

hst_string View(std::string_view s) { return {s.data(), s.size()}; }

Status ReadGeneration(hst_model* model, ArtifactInfo& info) {
  hst_generation g = HST_GENERATION_INIT;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_model_get_generation(model, &g, e); }));
  info.eos_ids.assign(g.eos_ids, g.eos_ids + g.eos_count);
  if (g.bos_id >= 0) info.bos_id = g.bos_id;
  info.sampling.repetition_penalty = g.repetition_penalty;
  if (!g.do_sample) return {};  // greedy; temperature and the like are not in force
  info.sampling.temperature = g.temperature;
  info.sampling.top_k = g.top_k;
  info.sampling.top_p = g.top_p;
  info.sampling.min_p = g.min_p;
  return {};
}

// The logits, else the first output.
Status FindMainOutput(hst_model* model, uint32_t outputs, ArtifactInfo& info) {
  for (uint32_t i = 0; i < outputs; ++i) {
    hst_output_info out = HST_OUTPUT_INFO_INIT;
    HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_model_get_output(model, i, &out, e); }));
    if (i == 0 || out.kind == HST_OUTPUT_LOGITS) info.output = i, info.output_row = out.row;
    if (out.kind == HST_OUTPUT_LOGITS) return {};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Artifact>> Artifact::Open(const std::string& path, const std::string& isa, const Place& place) {
  std::unique_ptr<Artifact> artifact(new Artifact());
  hst_model_options options = HST_MODEL_OPTIONS_INIT;
  options.isa = isa.empty() ? nullptr : isa.c_str();
  options.device = place.device.empty() ? nullptr : place.device.c_str();
  options.device_memory = place.memory;
  // Where "auto" falls back it says so before all else. Contexts log too, for as long as the model lives.
  options.log_user = &artifact->first_line_;
  options.log = [](void* user, const char* text, size_t size) {
    if (auto* line = static_cast<std::string*>(user); line->empty()) line->assign(text, size);
  };
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_model_open(path.c_str(), &options, &artifact->model_, e); }));
  hst_model_info info = HST_MODEL_INFO_INIT;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_model_get_info(artifact->model_, &info, e); }));
  artifact->info_.vocab = info.vocab;
  artifact->info_.max_positions = info.max_positions;
  artifact->info_.causal = info.causal != 0;
  artifact->info_.instructions = info.instructions;
  artifact->info_.upload_ms = static_cast<double>(info.upload_nanoseconds) * 1e-6;
  const char* isa_name = nullptr;
  size_t isa_size = 0;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_model_get_string(artifact->model_, HST_STRING_ISA, &isa_name, &isa_size, e); }));
  artifact->info_.isa.assign(isa_name, isa_size);
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_model_get_string(artifact->model_, HST_STRING_DEVICE, &isa_name, &isa_size, e); }));
  artifact->info_.device.assign(isa_name, isa_size);
  if (place.device == "auto" && artifact->on_cpu()) artifact->info_.fallback = artifact->first_line_;
  artifact->info_.has_tokenizer = info.has_tokenizer != 0;
  HST_RETURN_IF_ERROR(FindMainOutput(artifact->model_, info.outputs, artifact->info_));
  HST_RETURN_IF_ERROR(ReadGeneration(artifact->model_, artifact->info_));
  return artifact;
}

Artifact::~Artifact() { hst_model_free(model_); }

Result<uint64_t> Artifact::DeviceBytes() const {
  hst_model_info info = HST_MODEL_INFO_INIT;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_model_get_info(model_, &info, e); }));
  return info.device_bytes;
}

Result<std::vector<hst_instruction_info>> Artifact::Instructions() const {
  std::vector<hst_instruction_info> all(info_.instructions, hst_instruction_info HST_INSTRUCTION_INFO_INIT);
  for (uint32_t i = 0; i < info_.instructions; ++i)
    HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_model_get_instruction(model_, i, &all[i], e); }));
  return all;
}

Result<std::vector<int32_t>> Artifact::Encode(std::string_view text, bool special) const {
  hst_encode_options options = HST_ENCODE_OPTIONS_INIT;
  options.no_special_tokens = special ? 0 : 1;
  hst_tokens* tokens = nullptr;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_encode(model_, text.data(), text.size(), &options, &tokens, e); }));
  return TakeTokens(tokens);
}

Result<std::string> Artifact::Decode(std::span<const int32_t> tokens) const {
  hst_text* text = nullptr;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_decode(model_, tokens.data(), tokens.size(), 0, &text, e); }));
  return TakeText(text);
}

Result<std::vector<int32_t>> Artifact::EncodeChat(std::string_view system, std::string_view user) const {
  std::vector<hst_chat_message> messages;
  if (!system.empty()) messages.push_back({View("system"), View(system)});
  messages.push_back({View("user"), View(user)});
  hst_text* text = nullptr;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_chat_render(model_, messages.data(), messages.size(), nullptr, &text, e); }));
  return Encode(TakeText(text), /*special=*/false);
}

hst_sample_options OptionsOf(const Sampling& sampling) {
  hst_sample_options options = HST_SAMPLE_OPTIONS_INIT;
  options.temperature = sampling.temperature;
  options.top_k = sampling.top_k;
  options.top_p = sampling.top_p;
  options.min_p = sampling.min_p;
  options.repetition_penalty = sampling.repetition_penalty;
  options.seed = sampling.seed;
  return options;
}

Result<std::unique_ptr<Session>> Session::Create(const Artifact& artifact, const SessionOptions& options) {
  std::unique_ptr<Session> session(new Session());
  session->output_ = artifact.info().output;
  session->instructions_ = artifact.info().instructions;
  hst_context_options how = HST_CONTEXT_OPTIONS_INIT;
  how.threads = static_cast<uint32_t>(options.threads);
  how.prefill_chunk = options.prefill_chunk;
  how.max_rows = options.prefill_chunk > kUsualRows ? options.prefill_chunk : 0;
  how.kv_tokens = options.capacity;
  how.profile = options.profile;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_context_create(artifact.get(), &how, &session->context_, e); }));
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_sequence_create(session->context_, &session->sequence_, e); }));
  hst_context_info context = HST_CONTEXT_INFO_INIT;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_context_get_info(session->context_, &context, e); }));
  session->chunk_ = options.prefill_chunk ? std::min(options.prefill_chunk, context.max_rows) : context.max_rows;
  if (options.cancel) {
    session->watcher_ = std::jthread([context = session->context_, cancel = options.cancel](std::stop_token stop) {
      while (!stop.stop_requested() && !*cancel) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (*cancel) hst_cancel(context);
    });
  }
  return session;
}

Session::~Session() {
  watcher_ = {};  // ends before its context does
  hst_context_free(context_);
}

Status Session::Run(std::span<const int32_t> tokens, Rows rows) {
  hst_eval_item item = HST_EVAL_ITEM_INIT;
  item.want = rows == Rows::kNone ? HST_WANT_NONE : rows == Rows::kLast ? HST_WANT_LAST : HST_WANT_ALL;
  item.sequence = sequence_;
  item.tokens = tokens.data();
  item.count = tokens.size();
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_evaluate(context_, &item, 1, e); }));
  length_ += static_cast<int64_t>(tokens.size());
  return {};
}

Result<RowBlock> Session::Evaluate(std::span<const int32_t> tokens, Rows rows) {
  HST_RETURN_IF_ERROR(Run(tokens, rows));
  if (rows == Rows::kNone) return RowBlock();
  hst_rows block = HST_ROWS_INIT;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_get_rows(context_, 0, output_, &block, e); }));
  return RowBlock{block.data, block.rows, block.cols, block.stride};
}

Status Session::Append(std::span<const int32_t> tokens) { return Run(tokens, Rows::kLast); }

Result<int32_t> Session::SampleNext(std::span<const int32_t> history, const Sampling& sampling) {
  const hst_sample_options options = OptionsOf(sampling);
  int32_t token = 0;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) {
    return hst_sample_row(context_, 0, output_, 0, history.data(), history.size(), static_cast<int64_t>(history.size()), &options, &token, e);
  }));
  return token;
}

Status Session::Reset() {
  length_ = 0;
  return Call([&](hst_error** e) { return hst_sequence_truncate(context_, sequence_, 0, e); });
}

Result<std::vector<uint64_t>> Session::InstructionTimes() const {
  std::vector<uint64_t> times(instructions_);
  for (uint32_t i = 0; i < instructions_; ++i) {
    uint64_t calls = 0;
    HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_get_profile(context_, i, &calls, &times[i], e); }));
  }
  return times;
}

Result<std::unique_ptr<TextStream>> TextStream::Create(const Artifact& artifact, std::span<const std::string> stops) {
  std::unique_ptr<TextStream> stream(new TextStream());
  std::vector<hst_string> views;
  for (const std::string& stop : stops) views.push_back(View(stop));
  hst_stream_options options = HST_STREAM_OPTIONS_INIT;
  options.stops = views.data();
  options.stop_count = views.size();
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_stream_create(artifact.get(), &options, &stream->stream_, e); }));
  return stream;
}

TextStream::~TextStream() { hst_stream_free(stream_); }

Result<std::string> TextStream::Push(int32_t token) {
  const char* text = nullptr;
  size_t size = 0;
  uint32_t stopped = 0;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_stream_push(stream_, token, &text, &size, &stopped, e); }));
  stopped_ = stopped_ || stopped != 0;
  return std::string(text ? text : "", size);
}

Result<std::string> TextStream::Finish() {
  const char* text = nullptr;
  size_t size = 0;
  HST_RETURN_IF_ERROR(Call([&](hst_error** e) { return hst_stream_finish(stream_, &text, &size, e); }));
  return std::string(text ? text : "", size);
}

}  // namespace hasten::calib
