// hasten gate: whether a compiled model may ship in place of the original.
#include <memory>
#include <string>

#include "calib/eval/store.h"
#include "calib/gate/gate.h"
#include "calib/gate/report_json.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/threads.h"
#include "cli/version.h"

namespace hasten::cli {
namespace {

struct GateCommand {
  gate::GateOptions options;
  std::string cache;
  int threads = 0;
  bool init = false, json = false, no_cache = false;
};

std::string Show(const std::optional<double>& value) { return value ? Fixed(*value, -1) : "-"; }

std::string Summary(const gate::Report& r) {
  TextTable table;
  table.Row({"verdict", "criterion", "measured", "limit", "n", "reason"});
  for (const gate::Criterion& c : r.criteria) {
    table.Row({VerdictName(c.verdict), StrCat(c.surface, ".", c.name), c.group == "hard" ? "" : Show(c.estimate),
               c.group == "hard" ? "" : StrCat(c.at_most ? "<= " : ">= ", Fixed(c.margin, -1)), WithCommas(static_cast<uint64_t>(c.n)), c.reason});
  }
  TextTable noise;
  noise.Row({"noise", "tokens", "largest difference", ""});
  for (const gate::NoiseCheck& n : r.noise) noise.Row({n.name, WithCommas(static_cast<uint64_t>(n.tokens)), Fixed(n.largest_difference, -1), n.note});
  return StrCat(table.Text(), "\n", noise.Text(), "\n", VerdictName(r.verdict), ": ", r.reason, "\n");
}

Result<int> Run(const GateCommand& c, const Context& context) {
  if (c.init) {
    HST_RETURN_IF_ERROR(WriteOut(gate::DefaultPolicy()));
    return 0;
  }
  gate::GateOptions options = c.options;
  if (options.candidate.empty() || options.policy.empty()) return UsageError("--candidate and --policy are needed\nsee: hasten gate --help");
  if (options.reference.empty() && options.reference_logits.empty()) return UsageError("--reference or --reference-logits is needed\nsee: hasten gate --help");
  options.threads = ThreadsOf(c.threads);
  options.cancel = context.interrupted;
  options.tool_version = HASTEN_VERSION;
  options.cache = c.no_cache ? "" : c.cache.empty() ? calib::Store::DefaultFolder() : c.cache;
  if (options.resume && options.cache.empty()) return UsageError("--resume needs a cache to go on from");
  Progress progress(c.json);
  options.stage = [&progress](std::string_view name) { progress.Stage(name); };
  options.update = [&progress](int64_t done, int64_t total) { progress.Update(static_cast<uint64_t>(done), static_cast<uint64_t>(total)); };
  const Result<gate::Report> report = gate::RunGate(options);
  progress.End();
  if (!report.ok()) return report.status();
  HST_RETURN_IF_ERROR(WriteOut(c.json ? gate::ReportToJson(*report) : Summary(*report)));
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
  app.add_flag("--json", c->json, "Print the report as JSON");
  app.add_flag("--init", c->init, "Print a commented policy to start from");
  app.footer("\nExit status: 0 PASS, 1 FAIL, 5 INCONCLUSIVE. Example:\n  hasten gate --init > gate.toml\n"
             "  hasten gate --reference models/smollm2 --candidate smollm2.hst --policy gate.toml");
  return [c](const Context& context) { return Run(*c, context); };
}

}  // namespace hasten::cli
