// hasten opt: passes alone, on a textual IR file; for writing and testing them.
#include <memory>

#include <CLI/CLI.hpp>

#include "calib/data/text_file.h"
#include "cli/command.h"
#include "cli/pass_options.h"
#include "cli/terminal.h"
#include "compiler/ir/ops.h"
#include "compiler/ir/text.h"
#include "passes/pass_runner.h"

namespace hasten::cli {
namespace {

struct OptOptions {
  std::string input, blob;
  std::vector<std::string> run;
  bool list = false, json = false;
  PassOptions passes;
};

Result<int> ListPasses() {
  TextTable table;
  for (const passes::PassInfo& pass : passes::AllPasses()) table.Row({std::string(pass.name), std::string(pass.description)});
  for (const passes::Pipeline& pipeline : passes::AllPipelines()) {
    std::string names;
    for (const passes::PipelineRow& row : pipeline.rows) names += (names.empty() ? "" : ", ") + std::string(row.pass);
    table.Row({std::string(pipeline.name), StrCat("pipeline, ", pipeline.description, ": ", names)});
  }
  HST_RETURN_IF_ERROR(WriteOut(table.Text()));
  return 0;
}

Result<int> RunOpt(const OptOptions& options, const Context& context) {
  if (options.list) return ListPasses();
  if (options.input.empty()) return UsageError("the .ir file to read is missing\nsee: hasten opt --help");
  if (options.run.empty()) return UsageError("--run=PASSES is missing; --list shows the passes and pipelines");
  HST_ASSIGN_OR_RETURN(const std::vector<const passes::PassInfo*> list, passes::ResolvePasses(options.run));
  HST_ASSIGN_OR_RETURN(const std::string text, calib::ReadFile(options.input));
  std::string blob;
  if (!options.blob.empty()) {
    HST_ASSIGN_OR_RETURN(blob, calib::ReadFile(options.blob));
  }
  Result<std::unique_ptr<ir::Graph>> graph = ir::Parse(text, {.blob = blob, .allow_missing_blobs = options.blob.empty()});
  if (!graph.ok()) return std::move(graph).status().Annotate(options.input);
  // The graph came from a file: what is wrong with it is the file's fault, and passes trust what they get.
  if (const Status valid = ir::Verify(**graph); !valid.ok())
    return BadInput(options.input, ": the text reads, but is no valid graph: ", valid.message());
  HST_ASSIGN_OR_RETURN(const passes::RunOptions run, RunOptionsOf(options.passes, context.interrupted));
  passes::RunReport report;
  const Status status = passes::RunPasses(**graph, list, run, &report);
  for (const std::string& note : report.notes) Note(note);
  if (options.passes.stats) Note(options.json ? passes::StatsJson(report) : passes::StatsTable(report));
  HST_RETURN_IF_ERROR(status);
  HST_RETURN_IF_ERROR(WriteOut(ir::Print(**graph)));
  return 0;
}

}  // namespace

Action AddOpt(CLI::App& app) {
  const auto options = std::make_shared<OptOptions>();
  app.add_option("input", options->input, "The textual IR to read")->type_name("in.ir");
  app.add_option("--run", options->run, "Passes and pipelines to run, in order")->delimiter(',')->type_name("PASSES");
  app.add_option("--blob", options->blob, "The bytes of its large weights; without it they are seeded random data")->type_name("FILE");
  app.add_flag("--list", options->list, "List the passes and pipelines and exit");
  app.add_flag("--json", options->json, "--stats as JSON");
  AddPassOptions(app, options->passes);
  app.footer("\nThe resulting graph goes to stdout.\nExample:\n  hasten opt --run=canonicalize,dce --stats model.ir");
  return [options](const Context& context) { return RunOpt(*options, context); };
}

}  // namespace hasten::cli
