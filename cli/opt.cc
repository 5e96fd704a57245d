// hasten opt: passes alone, on a textual IR file; for writing and testing them.
#include <memory>

#include <CLI/CLI.hpp>

#include "calib/data/text_file.h"
#include "cli/command.h"
#include "cli/pass_options.h"
#include "cli/terminal.h"
#include "passes/opt.h"

namespace hasten::cli {
namespace {

struct OptOptions {
  std::string input, blob;
  std::vector<std::string> run;
  bool list = false, json = false;
  PassOptions passes;
};

Result<int> RunOpt(const OptOptions& options, const Context& context) {
  if (options.list) {
    HST_RETURN_IF_ERROR(WriteOut(passes::ListPasses()));
    return 0;
  }
  if (options.input.empty()) return UsageError("the .ir file to read is missing\nsee: hasten opt --help");
  if (options.run.empty()) return UsageError("--run=PASSES is missing; --list shows the passes and pipelines");
  HST_ASSIGN_OR_RETURN(const std::string text, calib::ReadFile(options.input));
  std::string blob;
  if (!options.blob.empty()) {
    HST_ASSIGN_OR_RETURN(blob, calib::ReadFile(options.blob));
  }
  passes::OptOptions opt{.blob = blob, .random_weights = options.blob.empty()};
  HST_ASSIGN_OR_RETURN(opt.run, RunOptionsOf(options.passes, context.interrupted));
  passes::RunReport report;
  const Result<std::string> made = passes::RunOpt(text, options.run, opt, &report);
  for (const std::string& note : report.notes) Note(note);
  if (options.passes.stats && !report.passes.empty()) Note(options.json ? passes::StatsJson(report) : passes::StatsTable(report));
  if (!made.ok()) return made.status().code() == Code::kBadInput ? Status(made.status()).Annotate(options.input) : made.status();
  HST_RETURN_IF_ERROR(WriteOut(*made));
  return 0;
}

}  // namespace

Action AddOpt(CLI::App& app) {
  const auto options = std::make_shared<OptOptions>();
  app.add_option("input", options->input, "The textual IR to read")->type_name("in.ir");
  app.add_option("--run", options->run, "Passes and pipelines to run, in order")->delimiter(',')->allow_extra_args(false)->type_name("PASSES");
  app.add_option("--blob", options->blob, "The bytes of its large weights; without it they are seeded random data")->type_name("FILE");
  app.add_flag("--list", options->list, "List the passes and pipelines and exit");
  app.add_flag("--json", options->json, "--stats as JSON");
  AddPassOptions(app, options->passes);
  app.footer("\nThe resulting graph goes to stdout.\nExample:\n  hasten opt --run=canonicalize,dce --stats model.ir");
  return [options](const Context& context) { return RunOpt(*options, context); };
}

}  // namespace hasten::cli
