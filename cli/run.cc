// hasten run: generate text after a prompt, answer a chat message, or write the
// logits of given tokens.
#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "calib/abi/artifact.h"
#include "calib/data/text_file.h"
#include "cli/command.h"
#include "cli/device.h"
#include "cli/generate.h"
#include "cli/safetensors.h"
#include "cli/terminal.h"

namespace hasten::cli {
namespace {

struct RunOptions {
  std::string artifact, prompt, chat, system, tokens, tokens_file, isa, logits;
  DeviceOptions device;
  std::vector<std::string> stops;
  std::optional<int64_t> max_tokens;
  bool greedy = false, json = false;
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<int32_t> top_k;
  uint64_t seed = 0;
  int threads = 0;
  int64_t prefill_chunk = 0;
  const CLI::App* app = nullptr;

  bool Given(const char* name) const { return app->count(name) > 0; }
};

constexpr int64_t kDefaultMaxTokens = 256;
constexpr int64_t kLogitsRows = 512;   // evaluated at once for --logits

// Ids separated by commas or white space.
Result<std::vector<int32_t>> ParseTokens(const std::string& text, const std::string& where) {
  std::vector<int32_t> tokens;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto is_gap = [](char c) { return c == ',' || c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  while (true) {
    while (at < end && is_gap(*at)) ++at;
    if (at == end) break;
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (next < end && !is_gap(*next))) {
      return UsageError(where, ": \"", std::string(at, std::min<size_t>(20, static_cast<size_t>(end - at))), "\" is no token id");
    }
    tokens.push_back(id);
    at = next;
  }
  if (tokens.empty()) return UsageError(where, ": no token ids");
  return tokens;
}

Result<std::vector<int32_t>> PromptTokens(const RunOptions& o, const calib::Artifact& artifact) {
  if (o.Given("--tokens")) return ParseTokens(o.tokens, "--tokens");
  if (o.Given("--tokens-file")) {
    HST_ASSIGN_OR_RETURN(const std::string text, calib::ReadFile(o.tokens_file));
    return ParseTokens(text, o.tokens_file);
  }
  if (o.Given("--chat")) return artifact.EncodeChat(o.system, o.chat);
  HST_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, artifact.Encode(o.prompt, /*special=*/true));
  if (tokens.empty()) return UsageError("--prompt: the text has no tokens, and this model begins with none of its own");
  return tokens;
}

calib::Sampling SamplingOf(const RunOptions& o, const calib::Artifact& artifact) {
  calib::Sampling sampling = artifact.info().sampling;
  const bool asks = o.temperature || o.top_k || o.top_p || o.min_p;
  // Asking for a way of choosing is asking for a choice, whatever the model's default.
  if (asks && !o.temperature && sampling.temperature == 0) sampling.temperature = 1;
  if (o.greedy) sampling.temperature = 0;
  if (o.temperature) sampling.temperature = *o.temperature;
  if (o.top_k) sampling.top_k = *o.top_k;
  if (o.top_p) sampling.top_p = *o.top_p;
  if (o.min_p) sampling.min_p = *o.min_p;
  if (o.repetition_penalty) sampling.repetition_penalty = *o.repetition_penalty;
  sampling.seed = o.seed;
  return sampling;
}

Status CheckTogether(const RunOptions& o) {
  int sources = 0;
  for (const char* name : {"--prompt", "--chat", "--tokens", "--tokens-file"}) sources += o.Given(name);
  if (sources != 1) {
    return UsageError("give exactly one of --prompt, --chat, --tokens and --tokens-file\nsee: hasten run --help");
  }
  if (o.Given("--system") && !o.Given("--chat")) return UsageError("--system goes with --chat only");
  if (o.greedy && (o.temperature || o.top_k || o.top_p || o.min_p)) {
    return UsageError("--greedy takes the most likely token; it does not go with --temperature, --top-k, --top-p or --min-p");
  }
  return {};
}

// All rows of the prompt's logits, in pieces, so that memory stays bounded.
Status WriteLogits(const RunOptions& o, calib::Session& session, std::span<const int32_t> prompt) {
  Progress progress(o.json);
  progress.Stage(StrCat("logits of ", prompt.size(), " tokens"));
  std::unique_ptr<MatrixWriter> writer;
  // A piece holds whole prefill chunks, or it would cut them.
  const int64_t chunk = std::max<int64_t>(o.prefill_chunk, 1);
  const size_t piece = static_cast<size_t>(std::max(chunk, kLogitsRows / chunk * chunk));
  for (size_t at = 0; at < prompt.size(); at += piece) {
    const auto part = prompt.subspan(at, std::min(piece, prompt.size() - at));
    HST_ASSIGN_OR_RETURN(const calib::RowBlock rows, session.Evaluate(part, calib::Rows::kAll));
    if (!writer) {
      HST_ASSIGN_OR_RETURN(writer, MatrixWriter::Create(o.logits, "logits", static_cast<int64_t>(prompt.size()), rows.cols));
    }
    for (int64_t r = 0; r < rows.rows; ++r) HST_RETURN_IF_ERROR(writer->Append(rows.At(r)));
    progress.Update(at + part.size(), prompt.size());
  }
  return writer->Commit();
}

Status PrintJson(const Generated& g, size_t prompt_tokens, const calib::ArtifactInfo& artifact) {
  nlohmann::ordered_json report;
  report["text"] = g.text;
  report["tokens"] = g.tokens;
  report["finish_reason"] = g.finish_reason;
  report["prompt_tokens"] = prompt_tokens;
  report["ttft_ms"] = g.ttft_ms;
  report["itl_ms"] = g.itl_ms;
  report["device"] = artifact.device;
  if (artifact.upload_ms > 0) report["upload_ms"] = artifact.upload_ms;
  return WriteOut(report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

Result<int> Run(const RunOptions& o, const Context& context) {
  HST_RETURN_IF_ERROR(CheckTogether(o));
  if (o.Given("--tokens")) HST_RETURN_IF_ERROR(ParseTokens(o.tokens, "--tokens").status());  // before the model is opened
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::Artifact> artifact, OpenOn(o.artifact, o.isa, o.device));
  if (!artifact->info().causal && !o.Given("--logits")) {
    return UsageError(o.artifact, " is an encoder and generates no text; see hasten embed --help");
  }
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> prompt, PromptTokens(o, *artifact));
  const bool generate = !o.Given("--logits") || o.max_tokens;
  GenerateOptions how;
  how.max_tokens = generate ? o.max_tokens.value_or(kDefaultMaxTokens) : 0;
  calib::SessionOptions session_options{.threads = o.threads, .prefill_chunk = o.prefill_chunk, .cancel = context.interrupted};
  session_options.capacity = static_cast<int64_t>(prompt.size()) + how.max_tokens;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::Session> session, calib::Session::Create(*artifact, session_options));
  if (o.Given("--logits")) {
    HST_RETURN_IF_ERROR(WriteLogits(o, *session, prompt));
    if (!generate) return 0;
    HST_RETURN_IF_ERROR(session->Reset());
  }
  how.sampling = SamplingOf(o, *artifact);
  how.stops = o.stops;
  how.text = artifact->info().has_tokenizer;
  how.cancel = context.interrupted;
  if (!o.json) how.show = [](std::string_view piece) { return WriteOut(piece); };
  HST_ASSIGN_OR_RETURN(const Generated result, Generate(*artifact, *session, prompt, how));
  if (o.json) {
    HST_RETURN_IF_ERROR(PrintJson(result, prompt.size(), artifact->info()));
    return 0;
  }
  std::string ids;  // without a tokenizer the ids are the text
  for (const int32_t id : result.tokens) ids += StrCat(ids.empty() ? "" : ",", id);
  HST_RETURN_IF_ERROR(WriteOut(how.text ? "\n" : ids + "\n"));
  if (isatty(STDERR_FILENO)) {
    Note(StrCat("[", result.tokens.size(), " tokens, first after ", Fixed(result.ttft_ms, 0), " ms, then ",
                Fixed(result.itl_ms > 0 ? 1000 / result.itl_ms : 0, 1), " a second]"));
  }
  return 0;
}

}  // namespace

Action AddRun(CLI::App& app) {
  const auto o = std::make_shared<RunOptions>();
  o->app = &app;
  app.add_option("artifact", o->artifact, "The compiled model")->required()->type_name("out.hst");
  const char* group = "Input (exactly one)";
  app.add_option("--prompt", o->prompt, "Continue this text")->type_name("TEXT")->group(group);
  app.add_option("--chat", o->chat, "Answer this message, through the model's chat template")->type_name("TEXT")->group(group);
  app.add_option("--tokens", o->tokens, "Token ids, separated by commas")->type_name("1,2,3")->group(group);
  app.add_option("--tokens-file", o->tokens_file, "A file of token ids, separated by commas or white space")->type_name("FILE")->group(group);
  app.add_option("--system", o->system, "System message, with --chat")->type_name("TEXT")->group("Input (exactly one)");
  group = "Generation (defaults: the model's own)";
  app.add_option("--max-tokens", o->max_tokens, "Most tokens to generate [256]")->check(CLI::Range(int64_t{0}, int64_t{1} << 30))->type_name("N")->group(group);
  app.add_flag("--greedy", o->greedy, "Always take the most likely token")->group(group);
  app.add_option("--temperature", o->temperature, "Divides the logits; 0 is --greedy")->type_name("T")->group(group);
  app.add_option("--top-k", o->top_k, "Choose among the K most likely; 0: all")->type_name("K")->group(group);
  app.add_option("--top-p", o->top_p, "Choose among the likeliest that make up this share")->type_name("P")->group(group);
  app.add_option("--min-p", o->min_p, "Leave out what is less likely than this share of the best")->type_name("P")->group(group);
  app.add_option("--repetition-penalty", o->repetition_penalty, "Makes tokens that occurred less likely; 1: off")->type_name("R")->group(group);
  app.add_option("--seed", o->seed, "Seed of the choice [0]")->type_name("S")->group(group);
  app.add_option("--stop", o->stops, "End before this text; may be repeated")->allow_extra_args(false)->type_name("TEXT")->group(group);
  group = "Execution (never changes a bit of the result)";
  app.add_option("--threads", o->threads, "Threads [one a core]")->check(CLI::Range(1, 256))->type_name("N")->group(group);
  app.add_option("--prefill-chunk", o->prefill_chunk, "Tokens of the prompt evaluated at once [512]")
      ->check(CLI::Range(int64_t{1}, int64_t{8192}))->type_name("N")->group(group);
  app.add_option("--isa", o->isa, "Force an instruction set: scalar, avx2, avxvnni, avx512vnni")->type_name("ISA")->group(group);
  AddDeviceOptions(app, o->device, group);
  group = "Output";
  app.add_option("--logits", o->logits, "Write the logits of every input token, F32 [tokens, vocab], and generate nothing "
                 "unless --max-tokens is given")->type_name("out.safetensors")->group(group);
  app.add_flag("--json", o->json, "Print text, tokens, finish_reason, times and device as JSON, at the end")->group(group);
  app.footer("\nExamples:\n  hasten run model.hst --chat \"What is a compiler?\" --max-tokens 100\n"
             "  hasten run model.hst --prompt \"Once upon a time\" --temperature 0.8 --top-p 0.95 --seed 7");
  return [o](const Context& context) { return Run(*o, context); };
}

}  // namespace hasten::cli
