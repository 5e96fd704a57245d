// hasten gate: whether a compiled model may ship in place of the original.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "calib/eval/store.h"
#include "calib/gate/gate.h"
#include "calib/load/surface.h"
#include "cli/command.h"
#include "cli/device.h"
#include "cli/gate_outputs.h"
#include "cli/terminal.h"
#include "cli/threads.h"
#include "cli/version.h"

namespace hasten::cli {
namespace {

struct GateCommand {
  gate::GateOptions options;
  std::string cache;
  int threads = 0;
  DeviceOptions device;
  bool init = false, no_cache = false;
  std::vector<std::string> compare;   // reports; nothing is gated
  load::SurfaceOptions load;
  GateOutputs outputs;
};

// Latency and cost of each surface, when the gate comes to it.
void MeasureLoad(const GateCommand& c, Progress& progress, gate::GateOptions& options) {
  options.latency = [load = c.load, &progress, &options](const gate::Policy& policy, const gate::Surface& surface, gate::Report& report) mutable -> Status {
    progress.Stage(StrCat("measure latency of ", surface.name));
    load.candidate = options.candidate, load.place = options.place, load.threads = options.threads, load.cancel = options.cancel, load.progress = options.update;
    const auto start = std::chrono::steady_clock::now();
    HST_RETURN_IF_ERROR(load::AddSurface(policy, surface, load, report));
    report.seconds.latency += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return {};
  };
}

Result<int> Run(const GateCommand& c, const Context& context) {
  if (c.init) {
    HST_RETURN_IF_ERROR(WriteOut(gate::DefaultPolicy()));
    return 0;
  }
  if (!c.compare.empty()) return CompareReports(c.compare, c.outputs);
  if (!c.load.baseline.empty() && !c.load.baseline_command.empty()) return UsageError("give --baseline or --baseline-cmd, not both");
  gate::GateOptions options = c.options;
  if (options.candidate.empty() || options.policy.empty()) return UsageError("--candidate and --policy are needed\nsee: hasten gate --help");
  if (options.reference.empty() && options.reference_logits.empty()) return UsageError("--reference or --reference-logits is needed\nsee: hasten gate --help");
  HST_RETURN_IF_ERROR(CheckGateOutputs(options.candidate, c.outputs));
  options.threads = ThreadsOf(c.threads);
  HST_ASSIGN_OR_RETURN(options.place, PlaceOf(c.device));
  options.cancel = context.interrupted;
  options.tool_version = HASTEN_VERSION;
  options.cache = c.no_cache ? "" : c.cache.empty() ? calib::Store::DefaultFolder() : c.cache;
  if (options.resume && options.cache.empty()) return UsageError("--resume needs a cache to go on from");
  Progress progress(c.outputs.json);
  options.stage = [&progress](std::string_view name) { progress.Stage(name); };
  options.update = [&progress](int64_t done, int64_t total) { progress.Update(static_cast<uint64_t>(done), static_cast<uint64_t>(total)); };
  options.note = Note;
  MeasureLoad(c, progress, options);
  const Result<gate::Report> report = gate::RunGate(options);
  progress.End();
  if (!report.ok()) return report.status();
  HST_RETURN_IF_ERROR(WriteGateOutputs(*report, options.candidate, c.outputs, context));
  return gate::VerdictExit(report->verdict);
}

}  // namespace

Action AddGate(CLI::App& app) {
  const auto c = std::make_shared<GateCommand>();
  app.add_option("--reference", c->options.reference, "The original model: a folder or an .onnx file")->type_name("MODEL");
  app.add_option("--reference-logits", c->options.reference_logits, "Its logits, captured by another tool (docs/gate.md)")->type_name("F.safetensors");
  app.add_option("--candidate", c->options.candidate, "The compiled model")->type_name("out.hst");
  app.add_option("--policy", c->options.policy, "What has to hold")->type_name("gate.toml");
  app.add_option("--surface", c->options.surface, "Judge this surface of the policy only [all]")->type_name("NAME");
  app.add_option("--cache", c->cache, "Where the reference's results are kept [$XDG_CACHE_HOME/hasten]")->type_name("DIR");
  app.add_flag("--no-cache", c->no_cache, "Keep and use no results");
  app.add_flag("--resume", c->options.resume, "Go on where an interrupted run of the same files ended");
  app.add_option("--threads", c->threads, "Threads [one a core]")->check(CLI::Range(1, 256))->type_name("N");
  AddDeviceOptions(app, c->device);
  app.add_option("--baseline", c->load.baseline, "Measure latency in turns with this artifact")->type_name("other.hst");
  app.add_option("--baseline-cmd", c->load.baseline_command, "The same with another program (docs/latency.md)")->type_name("COMMAND");
  app.add_option("--compare", c->compare, "Gate nothing: say what got worse from one report to the next")->expected(2, 100)->type_name("old.json new.json");
  AddGateOutputs(app, c->outputs);
  app.add_flag("--init", c->init, "Print a commented policy to start from");
  app.footer("\nExit status: 0 PASS, 1 FAIL, 5 INCONCLUSIVE. Example:\n  hasten gate --init > gate.toml\n"
             "  hasten gate --reference models/smollm2 --candidate smollm2.hst --policy gate.toml");
  return [c](const Context& context) { return Run(*c, context); };
}

}  // namespace hasten::cli
