// hasten compile: an ONNX model to one .hst file.
#include <chrono>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "calib/compile/driver.h"
#include "cli/command.h"
#include "cli/pass_options.h"
#include "cli/precision.h"
#include "cli/terminal.h"
#include "cli/threads.h"

namespace hasten::cli {
namespace {

struct CompileCommand {
  std::string model, output, calibrate;
  int64_t samples = 128, context = 512, distill_steps = 0;
  double distill_rate = 2e-4;
  PrecisionOptions precision;
  int threads = 0;
  bool json = false, no_tokenizer = false;
  PassOptions passes;
};

Result<calib::CompileOptions> OptionsOf(const CompileCommand& c, const Context& context) {
  calib::CompileOptions options;
  options.model = c.model;
  options.output = c.output;
  HST_ASSIGN_OR_RETURN(const Precision precision, PrecisionOf(c.precision));
  options.weights = precision.weights, options.head = precision.head, options.embed = precision.embed, options.kv = precision.kv;
  options.calibrate = c.calibrate;
  options.samples = c.samples, options.context = c.context;
  options.distill_steps = c.distill_steps, options.distill_rate = c.distill_rate;
  options.threads = ThreadsOf(c.threads);
  options.tokenizer = !c.no_tokenizer;
  options.tool_version = HASTEN_VERSION;
  HST_ASSIGN_OR_RETURN(options.passes, RunOptionsOf(c.passes, context.interrupted));
  options.cancel = context.interrupted;
  return options;
}

Status PrintReport(const CompileCommand& c, const calib::CompileReport& r, double seconds) {
  if (c.json) {
    nlohmann::ordered_json report;
    report["artifact"] = c.output;
    report["artifact_bytes"] = r.artifact_bytes;
    report["source_bytes"] = r.source_bytes;
    report["weights"] = GetScheme(r.weights).name;
    report["head"] = GetScheme(r.head).name;
    report["embed"] = GetScheme(r.embed).name;
    report["kv"] = calib::KvName(r.kv);
    report["layers"] = r.layers;
    report["instructions"] = r.instructions;
    report["tensors"] = r.tensors;
    report["check_cosine"] = r.agreement;
    report["seconds"] = seconds;
    if (c.passes.stats) report["passes"] = nlohmann::ordered_json::parse(passes::StatsJson(r.passes))["passes"];
    return WriteOut(report.dump(2) + "\n");
  }
  if (c.passes.stats) Note(passes::StatsTable(r.passes));
  return WriteOut(StrCat(c.output, ": ", HumanBytes(r.artifact_bytes), " from ", HumanBytes(r.source_bytes), ", weights ",
                         GetScheme(r.weights).name, ", head ", GetScheme(r.head).name, ", KV cache ", calib::KvName(r.kv), ", ", r.layers,
                         " layers, ", r.instructions, " instructions; checked against the original: cosine ",
                         Fixed(r.agreement, 4), "\n"));
}

Result<int> Run(const CompileCommand& c, const Context& context) {
  HST_ASSIGN_OR_RETURN(calib::CompileOptions options, OptionsOf(c, context));
  Progress progress(c.json);
  options.stage = [&progress](std::string_view name) { progress.Stage(name); };
  options.update = [&progress](uint64_t done, uint64_t total) { progress.Update(done, total); };
  const auto begin = std::chrono::steady_clock::now();
  calib::CompileReport report;
  const Status status = calib::CompileModel(options, &report);
  progress.End();
  for (const std::string& note : report.passes.notes) Note(note);
  if (!status.ok() && c.passes.stats) Note(passes::StatsTable(report.passes));
  HST_RETURN_IF_ERROR(status);
  HST_RETURN_IF_ERROR(PrintReport(c, report, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()));
  return 0;
}

}  // namespace

Action AddCompile(CLI::App& app) {
  const auto c = std::make_shared<CompileCommand>();
  app.add_option("model", c->model, "A folder with model.onnx and tokenizer.json, or an .onnx file")->required()->type_name("MODEL");
  app.add_option("-o,--output", c->output, "The artifact to write")->required()->type_name("out.hst");
  AddPrecisionOptions(app, c->precision);
  CLI::Option* calibrate =
      app.add_option("--calibrate", c->calibrate, "Text (or .jsonl with \"text\") to quantize by, instead of rounding to nearest")->type_name("FILE");
  app.add_option("--samples", c->samples, "Samples of the calibration text [128]")->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->type_name("N")->needs(calibrate);
  app.add_option("--context", c->context, "Tokens a sample [512]")->check(CLI::Range(int64_t{4}, int64_t{1} << 20))
      ->type_name("N")->needs(calibrate);
  app.add_option("--distill-steps", c->distill_steps, "Steps that move the scales and norms towards the original's logits, a sample each [0]")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 20))->type_name("N")->needs(calibrate);
  app.add_option("--distill-rate", c->distill_rate, "Their learning rate, relative to the values [0.0002]")
      ->check(CLI::Range(0.0, 1.0))->type_name("R")->needs(calibrate);
  app.add_flag("--no-tokenizer", c->no_tokenizer, "Leave the tokenizer out; the artifact takes token ids only");
  app.add_option("--threads", c->threads, "Threads [one a core]; the bytes of the result do not depend on it")
      ->check(CLI::Range(1, 256))->type_name("N");
  app.add_flag("--json", c->json, "Print the report as JSON");
  AddPassOptions(app, c->passes);
  app.footer("\nExample:\n  hasten compile models/smollm2 -o smollm2.hst --weights int4:64 --kv int8");
  return [c](const Context& context) { return Run(*c, context); };
}

}  // namespace hasten::cli
