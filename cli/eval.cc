// hasten eval: quality of an artifact against the original model on a text.
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "calib/eval/evaluate.h"
#include "calib/eval/reference_rows.h"
#include "cli/command.h"
#include "cli/device.h"
#include "cli/terminal.h"
#include "cli/threads.h"

namespace hasten::cli {
namespace {

struct EvalCommand {
  std::string reference, candidate, text, cache;
  DeviceOptions device;
  int64_t context = 512, chunks = 0;
  int threads = 0;
  bool json = false;
};

Status Print(const calib::Scores& r, int64_t chunks, bool causal, bool json) {
  nlohmann::ordered_json report;
  TextTable table;
  for (const calib::Metric& metric : calib::AllMetrics()) {
    if (!causal && !metric.of_outputs) continue;
    const double value = calib::Compute(metric, r.scores);
    report[std::string(metric.key)] = value;
    table.Row({std::string(metric.key), Fixed(value, -1), std::string(metric.description)});
  }
  report["tokens"] = r.scores.size();
  report["chunks"] = chunks;
  report["documents"] = r.documents;
  report["reference_tokens_per_s"] = r.reference.TokensPerSecond();
  report["candidate_tokens_per_s"] = r.candidate.TokensPerSecond();
  table.Row({"tokens", WithCommas(r.scores.size()), StrCat("scored positions, of ", chunks, " chunks from ", r.documents, " documents")});
  table.Row({"reference_tokens_per_s", Fixed(r.reference.TokensPerSecond(), 1), "tokens a second, the model interpreted or read from --cache"});
  table.Row({"candidate_tokens_per_s", Fixed(r.candidate.TokensPerSecond(), 1), "tokens a second, the artifact"});
  return WriteOut(json ? report.dump(2) + "\n" : table.Text());
}

Result<int> Run(const EvalCommand& c, const Context& context) {
  const int threads = ThreadsOf(c.threads);
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::Artifact> artifact, OpenOn(c.candidate, "", c.device));
  HST_ASSIGN_OR_RETURN(const calib::TextChunks text, calib::ChunksOfText(*artifact, c.text, c.context, c.chunks));
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::ReferenceModel> reference,
                       calib::ReferenceModel::Open(c.reference, threads, context.interrupted));
  if (artifact->info().causal) HST_RETURN_IF_ERROR(calib::CheckSameVocabulary(*reference, artifact->info().vocab));
  HST_ASSIGN_OR_RETURN(const calib::Store store, calib::Store::Open(c.cache));
  Progress progress(c.json);
  progress.Stage("evaluate");
  const calib::ScoreOptions options = {
      .threads = threads,
      .progress = [&progress](int64_t done, int64_t total) { progress.Update(static_cast<uint64_t>(done), static_cast<uint64_t>(total)); },
      .cancel = context.interrupted};
  const bool causal = artifact->info().causal;
  const Result<calib::Scores> scores = !causal ? calib::ScoreTexts(*artifact, text, *reference, options) : calib::ScoreChunks(
      *artifact, text.chunks, c.cache.empty() ? calib::InterpretedRows(*reference, text.chunks) : calib::KeptRows(*reference, text.chunks, store), options);
  progress.End();
  if (!scores.ok()) return scores.status();
  HST_RETURN_IF_ERROR(Print(*scores, text.chunks.count, causal, c.json));
  return 0;
}

}  // namespace

Action AddEval(CLI::App& app) {
  const auto c = std::make_shared<EvalCommand>();
  app.add_option("--reference", c->reference, "The original model: a folder or an .onnx file")->required()->type_name("MODEL");
  app.add_option("--candidate", c->candidate, "The compiled model")->required()->type_name("out.hst");
  app.add_option("--text", c->text, "The text to score, UTF-8")->required()->type_name("FILE");
  app.add_option("--context", c->context, "Tokens a chunk; the second half of each is scored [512]")
      ->check(CLI::Range(int64_t{4}, int64_t{1} << 24))->type_name("N");
  app.add_option("--chunks", c->chunks, "Chunks, spread over the documents of the text [all]")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))->type_name("N");
  app.add_option("--cache", c->cache, "A folder that keeps the reference's logits for the next time")->type_name("DIR");
  app.add_option("--threads", c->threads, "Threads [one a core]")->check(CLI::Range(1, 256))->type_name("N");
  AddDeviceOptions(app, c->device);
  app.add_flag("--json", c->json, "Print the metrics as JSON");
  app.footer("\nDefinitions: docs/cli.md. Example:\n  hasten eval --reference models/smollm2 --candidate smollm2.hst --text wiki.txt --chunks 40");
  return [c](const Context& context) { return Run(*c, context); };
}

}  // namespace hasten::cli
