// hasten eval: quality of an artifact against the original model on a text.
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "calib/eval/evaluate.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/threads.h"

namespace hasten::cli {
namespace {

struct EvalCommand {
  calib::EvalOptions options;
  int threads = 0;
  bool json = false;
};

Status Print(const calib::EvalReport& r, bool json) {
  nlohmann::ordered_json report;
  TextTable table;
  for (const calib::Metric& metric : calib::AllMetrics()) {
    const double value = metric.compute(r.scores);
    report[std::string(metric.key)] = value;
    table.Row({std::string(metric.key), Fixed(value, -1), std::string(metric.description)});
  }
  report["tokens"] = r.scores.size();
  report["chunks"] = r.chunks;
  report["reference_tokens_per_s"] = r.reference.TokensPerSecond();
  report["candidate_tokens_per_s"] = r.candidate.TokensPerSecond();
  table.Row({"tokens", WithCommas(r.scores.size()), StrCat("scored positions, of ", r.chunks, " chunks")});
  table.Row({"reference_tokens_per_s", Fixed(r.reference.TokensPerSecond(), 1), "tokens a second, the model interpreted"});
  table.Row({"candidate_tokens_per_s", Fixed(r.candidate.TokensPerSecond(), 1), "tokens a second, the artifact"});
  return WriteOut(json ? report.dump(2) + "\n" : table.Text());
}

Result<int> Run(const EvalCommand& c, const Context& context) {
  calib::EvalOptions options = c.options;
  options.threads = ThreadsOf(c.threads);
  options.cancel = context.interrupted;
  Progress progress(c.json);
  progress.Stage("evaluate");
  options.progress = [&progress](int64_t done, int64_t total) { progress.Update(static_cast<uint64_t>(done), static_cast<uint64_t>(total)); };
  const Result<calib::EvalReport> report = calib::Evaluate(options);
  progress.End();
  if (!report.ok()) return report.status();
  HST_RETURN_IF_ERROR(Print(*report, c.json));
  return 0;
}

}  // namespace

Action AddEval(CLI::App& app) {
  const auto c = std::make_shared<EvalCommand>();
  app.add_option("--reference", c->options.reference, "The original model: a folder or an .onnx file")->required()->type_name("MODEL");
  app.add_option("--candidate", c->options.candidate, "The compiled model")->required()->type_name("out.hst");
  app.add_option("--text", c->options.text, "The text to score, UTF-8")->required()->type_name("FILE");
  app.add_option("--context", c->options.context, "Tokens a chunk; the second half of each is scored [512]")
      ->check(CLI::Range(int64_t{4}, int64_t{1} << 24))->type_name("N");
  app.add_option("--chunks", c->options.chunks, "Chunks from the beginning of the text [all]")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))->type_name("N");
  app.add_option("--threads", c->threads, "Threads [one a core]")->check(CLI::Range(1, 256))->type_name("N");
  app.add_flag("--json", c->json, "Print the metrics as JSON");
  app.footer("\nDefinitions: docs/cli.md. Example:\n  hasten eval --reference models/smollm2 --candidate smollm2.hst --text wiki.txt --chunks 40");
  return [c](const Context& context) { return Run(*c, context); };
}

}  // namespace hasten::cli
