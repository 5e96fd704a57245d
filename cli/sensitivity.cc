// hasten sensitivity: what each scheme of each tensor would cost, and take.
#include <memory>
#include <string>

#include "calib/allocate/report.h"
#include "calib/compile/driver.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/threads.h"

namespace hasten::cli {
namespace {

struct SensitivityCommand {
  std::string model, calibrate, report, effort = "standard", method = "probe";
  int threads = 0;
  bool json = false;
};

Result<int> Run(const SensitivityCommand& c, const Context& context) {
  calib::CompileOptions options;
  options.model = c.model;
  options.recipe.effort = c.effort;
  options.recipe.calibration = {.text = c.calibrate};
  HST_ASSIGN_OR_RETURN(options.sensitivity, calib::ParseSensitivityMethod(c.method));
  options.threads = ThreadsOf(c.threads);
  options.tool_version = HASTEN_VERSION;
  options.cancel = context.interrupted;
  Progress progress(c.json);
  options.stage = [&progress](std::string_view name) { progress.Stage(name); };
  options.update = [&progress](uint64_t done, uint64_t total) { progress.Update(done, total); };
  calib::CompileReport report;
  std::string json;
  const Status status = calib::MeasureSchemes(options, &report, [&](std::span<const calib::Item> items, uint64_t other) {
    json = calib::SensitivityJson(items, calib::FrontierOf(items, other));
    return c.report.empty() ? Status() : calib::WriteSensitivityReport(c.report, items, other);
  });
  progress.End();
  for (const std::string& note : report.passes.notes) Note(note);
  HST_RETURN_IF_ERROR(status);
  if (c.json || c.report.empty()) HST_RETURN_IF_ERROR(WriteOut(json));
  else HST_RETURN_IF_ERROR(WriteOut(StrCat("wrote ", c.report, "/sensitivity.json, sensitivity.md and frontier.svg\n")));
  return 0;
}

}  // namespace

Action AddSensitivity(CLI::App& app) {
  const auto c = std::make_shared<SensitivityCommand>();
  app.add_option("model", c->model, "A folder with model.onnx and tokenizer.json, or an .onnx file")->required()->type_name("MODEL");
  app.add_option("--calibrate", c->calibrate, "Text (or .jsonl with \"text\") to measure on")->required()->type_name("FILE");
  app.add_option("--report", c->report, "Write sensitivity.json, sensitivity.md and frontier.svg into this folder")->type_name("DIR");
  app.add_option("--effort", c->effort, "fast, standard or max: how many tokens are measured on [standard]")->check(CLI::IsMember({"fast", "standard", "max"}))->type_name("EFFORT");
  app.add_option("--method", c->method, "probe: round each tensor alone and evaluate; gradient: predict all from one backward pass a sample [probe]")->check(CLI::IsMember({"probe", "gradient"}))->type_name("METHOD");
  app.add_option("--threads", c->threads, "Threads [one a core]; no figure depends on it")->check(CLI::Range(1, 256))->type_name("N");
  app.add_flag("--json", c->json, "Print the report as JSON");
  app.footer("\nExample:\n  hasten sensitivity models/smollm2 --calibrate wiki.txt --report sensitivity");
  return [c](const Context& context) { return Run(*c, context); };
}

}  // namespace hasten::cli
