#include "calib/compile/driver.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "calib/allocate/budget.h"
#include "calib/allocate/knapsack.h"
#include "calib/calibrate/calibrate.h"
#include "calib/calibrate/chain.h"
#include "calib/calibrate/mapped_memory.h"
#include "calib/calibrate/spill.h"
#include "calib/calibrate/text.h"
#include "calib/compile/companions.h"
#include "calib/compile/generation.h"
#include "calib/compile/learn.h"
#include "calib/compile/model_info.h"
#include "calib/compile/round_trip.h"
#include "calib/compile/weights.h"
#include "calib/equalize/equalize.h"
#include "compiler/artifact/writer.h"
#include "compiler/onnx/import.h"
#include "compiler/plan/plan.h"
#include "compiler/tokenizer/import.h"
#include "runtime/base/threads.h"
#include "runtime/format/program_check.h"
#include "runtime/format/program_generated.h"

namespace hasten::calib {
namespace {

// One compilation, stage by stage.
class Compilation {
 public:
  Compilation(const CompileOptions& options, CompileReport& report)
      : o_(options), report_(report), recipe_(report.recipe = Resolved(options.recipe)) {}

  Status Run() {
    HST_RETURN_IF_ERROR(CheckRecipe());
    // First, so that a target that cannot be written costs no time.
    HST_ASSIGN_OR_RETURN(writer_, ArtifactWriter::Create(o_.output, o_.cancel));
    HST_RETURN_IF_ERROR(Import());
    HST_RETURN_IF_ERROR(ReadText());   // before the work, so that bad text costs no time
    HST_RETURN_IF_ERROR(RunPasses());
    HST_ASSIGN_OR_RETURN(pool_, ThreadPool::Create(o_.threads));
    HST_RETURN_IF_ERROR(Allocate());
    HST_RETURN_IF_ERROR(Write());
    HST_RETURN_IF_ERROR(Check());
    HST_RETURN_IF_ERROR(Cancelled());
    HST_RETURN_IF_ERROR(writer_->Commit());
    if (checkpoint_) checkpoint_->Remove();
    return {};
  }

  // Up to the sensitivities, and no artifact.
  Status Measure(const MeasuredItems& f) {
    HST_RETURN_IF_ERROR(CheckRecipe());
    HST_RETURN_IF_ERROR(Import());
    HST_RETURN_IF_ERROR(ReadText());
    HST_RETURN_IF_ERROR(RunPasses());
    HST_ASSIGN_OR_RETURN(pool_, ThreadPool::Create(o_.threads));
    HST_RETURN_IF_ERROR(Stage("sensitivity"));
    HST_ASSIGN_OR_RETURN(const BudgetOptions options, BudgetOptionsOf());
    HST_ASSIGN_OR_RETURN(const std::vector<Item> items, MeasureItems(*model_.graph, text_.samples, options, *pool_));
    HST_ASSIGN_OR_RETURN(const uint64_t least, ArtifactBytes(RecipeOf(recipe_, items, std::vector<size_t>(items.size(), 0))));
    return f(items, least - LeastBytes(items));
  }

 private:
  Status CheckRecipe() const {
    HST_RETURN_IF_ERROR(FindEffort(recipe_.effort).status());
    if (!ChoosesSchemes(recipe_)) return {};
    if (recipe_.budget && recipe_.target_kld) return UsageError("a budget and a target for the divergence both choose the schemes; leave one of the two out");
    for (const plan::SchemeRule& rule : recipe_.rules)
      if (rule.scheme) return UsageError("[[tensor]] \"", rule.tensor, "\": a budget chooses the scheme of every tensor; leave out the budget, or the scheme");
    if (!recipe_.calibration) return UsageError("a budget is shared out by what each tensor costs on a text: give one by --calibrate");
    return {};
  }

  Status Cancelled() const {
    return o_.cancel && *o_.cancel ? Status(Code::kCancelled, "interrupted") : Status();
  }
  Status Stage(std::string_view name) {
    HST_RETURN_IF_ERROR(Cancelled());
    if (o_.stage) o_.stage(name);
    return {};
  }

  Status Import() {
    HST_RETURN_IF_ERROR(Stage("import"));
    HST_ASSIGN_OR_RETURN(model_, ImportModel(o_.model));
    for (const SourceFile& file : model_.files) report_.source_bytes += file.bytes.size();
    HST_ASSIGN_OR_RETURN(companions_, ReadCompanions(model_.folder));
    HST_ASSIGN_OR_RETURN(generation_, ReadGenerationDefaults(companions_.generation_config, companions_.config));
    if (!recipe_.tokenizer) return {};
    if (companions_.tokenizer_json.empty()) {
      return BadInput(model_.folder.empty() ? "." : model_.folder, ": tokenizer.json is missing; put the model's own beside it, "
                      "or compile with --no-tokenizer and give token ids to run");
    }
    Result<std::vector<uint8_t>> packed =
        ImportTokenizer(companions_.tokenizer_json, companions_.tokenizer_config, companions_.chat_template);
    if (!packed.ok()) return std::move(packed).status().Annotate("tokenizer.json");
    tokenizer_ = *std::move(packed);
    return {};
  }

  Status ReadText() {
    if (!recipe_.calibration) return {};
    Calibrated& c = *recipe_.calibration;
    if (c.text.empty()) return UsageError("the recipe calibrates, and names no text: give it by --calibrate, or by text under [calibration]");
    if (!recipe_.tokenizer) return UsageError("--calibrate needs the tokenizer that --no-tokenizer (or the recipe) leaves out");
    HST_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Open(tokenizer_));
    HST_ASSIGN_OR_RETURN(text_, ReadCalibrationText(c.text, *tokenizer, c.samples.value(), c.context));
    const std::string digest = HexDigest(Sha256Of(std::as_bytes(std::span(text_.documents))));
    if (!c.text_sha256.empty() && c.text_sha256 != digest)
      return BadInput(c.text, ": is other text than the recipe was made with (documents' digest ", digest, ", the recipe's ", c.text_sha256, "); take text_sha256 out to use it");
    // What the artifact keeps: no path, and the samples that there were.
    c = {.text = "", .text_sha256 = digest, .samples = text_.samples.count, .context = text_.samples.context, .round_steps = c.round_steps, .distill_steps = c.distill_steps, .equalize = c.equalize, .chain = c.chain};
    return {};
  }

  // What shapes the graph that is calibrated.
  Sha256Digest DigestInputs() const {
    Sha256 sha;
    const Sha256Digest source = DigestSource(model_);
    sha.Update(source.data(), source.size());
    sha.Update(o_.tool_version.c_str(), o_.tool_version.size() + 1);
    const std::vector<std::string> equalize = recipe_.calibration->equalize.value();
    for (const std::vector<std::string>* list : {&std::as_const(recipe_.disable_passes), &o_.pipeline, &equalize})
      for (const std::string& part : *list) sha.Update(part.c_str(), part.size() + 1);
    return sha.Finish();
  }

  Result<Trained> CalibratedValues(const plan::ProgramPlan& plan, ThreadPool& pool) {
    Trained values;
    if (!recipe_.calibration) return values;
    HST_RETURN_IF_ERROR(Stage("calibrate"));
    CalibrateOptions options;
    options.update = o_.update;
    options.cancel = o_.cancel;
    options.folder = TemporaryFolder(o_.output);
    options.notes = &report_.passes.notes;
    KeepSteps(*recipe_.calibration->chain, options);
    options.descent.fractions = LearnsCodes(*recipe_.calibration);
    HST_ASSIGN_OR_RETURN(checkpoint_, Checkpoint::Open(o_.output + ".calibration", CheckpointKey(DigestInputs(), plan, text_.samples, options), plan,
                                                        options.descent.fractions, &codes_memory_.emplace(options.folder)));
    options.checkpoint = checkpoint_.get();
    HST_ASSIGN_OR_RETURN(values.codes, Calibrate(*model_.graph, plan, text_.samples, options, pool));
    const auto stage = [this](std::string_view name) { return Stage(name); };
    HST_RETURN_IF_ERROR(LearnValues(*model_.graph, plan, text_.samples, {*recipe_.calibration, o_.output, options.folder, stage, o_.update, o_.cancel}, pool, &values));
    return values;
  }

  // Changes weights that fold into each other; the plan is of the new ones.
  Status EqualizeChannels(const plan::PlanOptions& plan_options, plan::ProgramPlan* plan) {
    if (!recipe_.calibration || recipe_.calibration->equalize->empty()) return {};
    HST_RETURN_IF_ERROR(Stage("equalize"));
    EqualizeOptions options;
    options.methods = *recipe_.calibration->equalize;
    options.folder = TemporaryFolder(o_.output);
    options.notes = &report_.passes.notes;
    options.update = o_.update;
    options.cancel = o_.cancel;
    HST_RETURN_IF_ERROR(Equalize(*model_.graph, *plan, text_.samples, options, *pool_, &folds_));
    const uint64_t bytes = plan->weights_bytes;
    HST_ASSIGN_OR_RETURN(*plan, plan::MakePlan(*model_.graph, plan_options));
    HST_CHECK(plan->weights_bytes == bytes);   // what a budget was spent for
    return {};
  }

  Status RunPasses() {
    HST_RETURN_IF_ERROR(Stage("passes"));
    HST_ASSIGN_OR_RETURN(const std::vector<const passes::PassInfo*> list, passes::ResolvePasses(o_.pipeline));
    passes::RunOptions run = o_.passes;
    run.cancel = o_.cancel;
    run.disable = recipe_.disable_passes;
    HST_RETURN_IF_ERROR(passes::RunPasses(*model_.graph, list, run, &report_.passes));
    if (report_.passes.stopped) return UsageError("--stop-after ends the pipeline early; no artifact was written");
    return {};
  }

  Result<BudgetOptions> BudgetOptionsOf() const {
    HST_ASSIGN_OR_RETURN(const Effort* effort, FindEffort(recipe_.effort));
    return BudgetOptions{effort, o_.sensitivity, o_.update, o_.cancel};
  }

  // Turns a budget into schemes.
  Status Allocate() {
    if (!ChoosesSchemes(recipe_)) return {};
    HST_RETURN_IF_ERROR(Stage("allocate"));
    HST_ASSIGN_OR_RETURN(const BudgetOptions options, BudgetOptionsOf());
    HST_ASSIGN_OR_RETURN(recipe_, SpendBudget(*model_.graph, text_.samples, recipe_,
                                              [this](const Recipe& recipe) { return ArtifactBytes(recipe); }, options, *pool_));
    return {};
  }

  // Of the file that the recipe would give, to the byte.
  Result<uint64_t> ArtifactBytes(const Recipe& recipe) const {
    const std::unique_ptr<ir::Graph> graph = model_.graph->Clone();
    const plan::PlanOptions options = PlanOptionsOf(recipe, generation_.max_positions);
    HST_RETURN_IF_ERROR(plan::SplitLinears(*graph, options));
    HST_ASSIGN_OR_RETURN(const plan::ProgramPlan plan, plan::MakePlan(*graph, options));
    Provenance provenance = MakeProvenance(recipe);
    provenance.source.emplace();
    provenance.tensors.resize(plan.tensors.size());
    std::vector<SectionSize> sections = {{plan::SerializeProgram(plan).size(), kMinAlignment}, {plan.weights_bytes, kPageAlignment}};
    if (recipe.tokenizer) sections.push_back({tokenizer_.size(), kMinAlignment});
    sections.push_back({BuildModelInfo(generation_, provenance).size(), kMinAlignment});
    return ArtifactWriter::FileBytes(sections);
  }

  Status Write() {
    const plan::PlanOptions options = PlanOptionsOf(recipe_, generation_.max_positions);
    HST_RETURN_IF_ERROR(plan::SplitLinears(*model_.graph, options));
    HST_ASSIGN_OR_RETURN(plan::ProgramPlan plan, plan::MakePlan(*model_.graph, options));
    HST_RETURN_IF_ERROR(EqualizeChannels(options, &plan));
    report_.tensors = plan.tensors.size();
    report_.instructions = plan.instrs.size();
    report_.layers = plan.layers.size();
    const std::vector<std::byte> program = plan::SerializeProgram(plan);
    writer_->RequireMinor(NeededMinor(*fb::GetProgram(program.data())));
    HST_RETURN_IF_ERROR(writer_->AddSection(SectionKind::kProgram, program));
    HST_ASSIGN_OR_RETURN(const Trained values, CalibratedValues(plan, *pool_));
    HST_RETURN_IF_ERROR(Stage("pack"));
    HST_RETURN_IF_ERROR(WriteWeights(plan, values, *pool_, {o_.update, o_.cancel}, *writer_, &makings_));
    if (recipe_.tokenizer) HST_RETURN_IF_ERROR(writer_->AddSection(SectionKind::kTokenizer, std::as_bytes(std::span(tokenizer_))));
    HST_RETURN_IF_ERROR(Stage("digest"));
    for (size_t i = 0; i < plan.tensors.size(); ++i)
      for (const plan::WeightPart& part : plan.tensors[i].parts)
        if (const auto fold = folds_.find(part.value); fold != folds_.end()) makings_[i].folds |= fold->second;
    Provenance provenance = MakeProvenance(recipe_);
    provenance.source = DigestSource(model_);
    provenance.tensors = makings_;
    HST_RETURN_IF_ERROR(writer_->AddSection(SectionKind::kModelInfo, BuildModelInfo(generation_, provenance)));
    return writer_->Finish();
  }

  // Less what only the finished file has: the source's digest, how tensors came out.
  Provenance MakeProvenance(const Recipe& recipe) const {
    Provenance p;
    p.tool_version = o_.tool_version;
    p.recipe = InShort(recipe);
    p.equalized = recipe.calibration && !recipe.calibration->equalize->empty();
    p.recipe_toml = WriteRecipe(recipe);
    p.licence = companions_.licence;
    p.calibration_documents = text_.documents;
    return p;
  }

  Status Check() {
    HST_RETURN_IF_ERROR(Stage("check"));
    RoundTripOptions options;
    options.model = o_.model;
    options.artifact = writer_->pending_path();
    options.shown_as = o_.output;
    options.lossless = recipe_.weights == Scheme::kF32 && recipe_.head == Scheme::kF32 && recipe_.embed == Scheme::kF32 &&
                       recipe_.kv == KvType::kF32 && recipe_.rules.empty();
    options.threads = o_.threads;
    options.cancel = o_.cancel;
    HST_ASSIGN_OR_RETURN(const RoundTripReport checked, CheckRoundTrip(options));
    report_.agreement = checked.agreement;
    report_.artifact_bytes = checked.artifact_bytes;
    HST_CHECK(!o_.recipe.budget || report_.artifact_bytes <= *o_.recipe.budget);
    return {};
  }

  const CompileOptions& o_;
  CompileReport& report_;
  Recipe& recipe_;
  std::unique_ptr<ArtifactWriter> writer_;
  std::optional<MappedMemory> codes_memory_;   // outlives all codes
  std::unique_ptr<Checkpoint> checkpoint_;
  ImportedModel model_;
  Companions companions_;
  CalibrationText text_;
  GenerationDefaults generation_;
  std::vector<uint8_t> tokenizer_;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<TensorMaking> makings_;
  Rewriter::Folds folds_;
};

}  // namespace

Status MeasureSchemes(const CompileOptions& options, CompileReport* report, const MeasuredItems& f) { return Compilation(options, *report).Measure(f); }

Status CompileModel(const CompileOptions& options, CompileReport* report) { return Compilation(options, *report).Run(); }

}  // namespace hasten::calib
