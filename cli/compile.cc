// hasten compile: an ONNX model to one .hst file.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "calib/calibrate/chain.h"
#include "calib/compile/driver.h"
#include "calib/equalize/equalize.h"
#include "calib/recipe/name_list.h"
#include "cli/command.h"
#include "cli/pass_options.h"
#include "cli/precision.h"
#include "cli/terminal.h"
#include "cli/threads.h"

namespace hasten::cli {
namespace {

struct CompileCommand {
  std::string model, output, calibrate, recipe, equalize, chain;
  std::vector<std::string> activation_residual;
  int64_t samples = 0, context = 512, round_steps = -1, distill_steps = -1, activation_group = 64;
  double budget_mb = 0, target_kld = 0;
  std::string effort = "standard";
  PrecisionOptions precision;
  int threads = 0;
  bool json = false, no_tokenizer = false;
  PassOptions passes;
};

Result<calib::Calibrated> CalibrationOf(const CompileCommand& c) {
  calib::Calibrated calibration = {.text = c.calibrate, .context = c.context};
  if (c.samples) calibration.samples = c.samples;
  if (c.round_steps >= 0) calibration.round_steps = c.round_steps;
  if (c.distill_steps >= 0) calibration.distill_steps = c.distill_steps;
  if (!c.equalize.empty()) {
    HST_ASSIGN_OR_RETURN(calibration.equalize, calib::ParseNameList("--equalize", c.equalize, calib::EqualizerNames()));
  }
  if (!c.chain.empty()) {
    HST_ASSIGN_OR_RETURN(calibration.chain, calib::ParseNameList("--chain", c.chain, calib::ChainSteps()));
  }
  return calibration;
}

// Of a recipe's file, else of the options beside it.
Result<calib::Recipe> RecipeOf(const CompileCommand& c) {
  calib::Recipe recipe;
  if (!c.recipe.empty()) {
    HST_ASSIGN_OR_RETURN(recipe, calib::ReadRecipe(c.recipe));
    if (!c.calibrate.empty() && !recipe.calibration) return UsageError("--calibrate: ", c.recipe, " rounds to nearest; a recipe that calibrates has a table [calibration]");
    if (!c.calibrate.empty()) recipe.calibration->text = c.calibrate;
    return recipe;
  }
  HST_ASSIGN_OR_RETURN(const Precision precision, PrecisionOf(c.precision));
  recipe.weights = precision.weights, recipe.head = precision.head, recipe.embed = precision.embed, recipe.kv = precision.kv;
  recipe.activation_group = c.activation_group;
  for (const std::string& tensors : c.activation_residual) recipe.rules.push_back({.tensor = tensors, .activation_residual = true});
  recipe.tokenizer = !c.no_tokenizer;
  recipe.disable_passes = c.passes.disable;
  recipe.effort = c.effort;
  if (c.target_kld > 0) recipe.target_kld = c.target_kld;
  if (c.budget_mb > 0) recipe.budget = static_cast<uint64_t>(c.budget_mb * 1e6);
  if (!c.calibrate.empty()) {
    HST_ASSIGN_OR_RETURN(recipe.calibration, CalibrationOf(c));
  }
  return recipe;
}

Result<calib::CompileOptions> OptionsOf(const CompileCommand& c, const Context& context) {
  calib::CompileOptions options;
  options.model = c.model;
  options.output = c.output;
  HST_ASSIGN_OR_RETURN(options.recipe, RecipeOf(c));
  options.threads = ThreadsOf(c.threads);
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
    report["weights"] = GetScheme(r.recipe.weights).name;
    report["head"] = GetScheme(*r.recipe.head).name;
    report["embed"] = GetScheme(*r.recipe.embed).name;
    report["kv"] = calib::KvName(*r.recipe.kv);
    report["rules"] = r.recipe.rules.size();
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
                         GetScheme(r.recipe.weights).name, ", head ", GetScheme(*r.recipe.head).name,
                         r.recipe.rules.empty() ? "" : StrCat(", ", r.recipe.rules.size(), " rules for tensors"), ", KV cache ", calib::KvName(*r.recipe.kv), ", ", r.layers,
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
  app.add_option("--activation-group", c->activation_group, "Inputs that share a scale when rounded to INT8: 32, 64, 128; at most the weights' [64]")
      ->check(CLI::IsMember({32, 64, 128}))->type_name("N")->group("Precision");
  app.add_option("--activation-residual", c->activation_residual,
                 "Linears (a pattern of weights, \"head\", \"*\") whose inputs have what INT8 leaves in a second INT8: less divergence, twice the arithmetic")
      ->type_name("PATTERN")->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->group("Precision");
  CLI::Option* recipe = app.add_option("--recipe", c->recipe, "A file that says all of this, and rules for single tensors (hasten inspect --recipe prints one)")
                            ->type_name("FILE");
  CLI::Option* calibrate =
      app.add_option("--calibrate", c->calibrate, "Text (or .jsonl with \"text\") to quantize by, instead of rounding to nearest")->type_name("FILE");
  app.add_option("--samples", c->samples, "Samples of the calibration text [by --effort: 64, fast 5, max 128]")->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->type_name("N")->needs(calibrate);
  app.add_option("--context", c->context, "Tokens a sample [512]")->check(CLI::Range(int64_t{4}, int64_t{1} << 20))
      ->type_name("N")->needs(calibrate);
  app.add_option("--round-steps", c->round_steps, "Steps, a sample each, that learn the rounding of each block of the network (SignRound) [by --effort: 0]")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 20))->type_name("N")->needs(calibrate);
  app.add_option("--distill-steps", c->distill_steps, "Steps, a sample each, that move scales and norms towards the original's logits [by --effort: 0]")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 20))->type_name("N")->needs(calibrate);
  app.add_option("--equalize", c->equalize, "Changes of channels that fold into weights before calibration: none, all, or some of rotate, permute, smooth, between commas [by --effort: smooth]")
      ->type_name("METHODS")->needs(calibrate);
  app.add_option("--chain", c->chain, "Steps of calibration beside GPTQ: all, none, or some of gptaq, stream, descent, between commas [all]")
      ->type_name("STEPS")->needs(calibrate);
  app.add_option("--effort", c->effort, "fast, standard or max: time that calibration may take [standard]")->check(CLI::IsMember({"fast", "standard", "max"}))
      ->type_name("EFFORT")->needs(calibrate);
  CLI::Option* budget = app.add_option("--budget-mb", c->budget_mb, "Bytes of the artifact, in millions: chooses a scheme for every tensor")
                            ->check(CLI::Range(1e-3, 1e9))->type_name("N")->needs(calibrate);
  CLI::Option* target = app.add_option("--target-kld", c->target_kld, "In place of a budget: the least bytes whose predicted divergence, before calibration, is at most this")
                            ->check(CLI::Range(1e-9, 1e3))->type_name("NATS")->needs(calibrate)->excludes(budget);
  for (const char* name : {"--weights", "--head", "--embed"}) budget->excludes(app.get_option(name)), target->excludes(app.get_option(name));
  app.add_flag("--no-tokenizer", c->no_tokenizer, "Leave the tokenizer out; the artifact takes token ids only");
  app.add_option("--threads", c->threads, "Threads [one a core]; the bytes of the result do not depend on it")
      ->check(CLI::Range(1, 256))->type_name("N");
  app.add_flag("--json", c->json, "Print the report as JSON");
  AddPassOptions(app, c->passes);
  for (const char* name : {"--weights", "--head", "--embed", "--kv", "--activation-group", "--activation-residual", "--samples", "--context", "--round-steps", "--distill-steps", "--equalize", "--chain", "--effort", "--budget-mb", "--target-kld", "--no-tokenizer", "--disable-pass"})
    recipe->excludes(app.get_option(name));
  app.footer("\nExample:\n  hasten compile models/smollm2 -o smollm2.hst --weights int4:64 --kv int8");
  return [c](const Context& context) { return Run(*c, context); };
}

}  // namespace hasten::cli
