#include "calib/compile/driver.h"

#include <algorithm>
#include <span>
#include <utility>

#include "calib/calibrate/calibrate.h"
#include "calib/calibrate/text.h"
#include "calib/compile/companions.h"
#include "calib/compile/generation.h"
#include "calib/compile/model_info.h"
#include "calib/compile/round_trip.h"
#include "calib/compile/weights.h"
#include "calib/grad/distill.h"
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
  Compilation(const CompileOptions& options, CompileReport& report) : o_(options), report_(report) {
    report_.weights = o_.weights;
    report_.head = o_.head.value_or(DefaultHead(o_.weights));
    report_.embed = o_.embed.value_or(report_.head);
    report_.kv = o_.kv.value_or(DefaultKv(o_.weights));
  }

  Status Run() {
    // First, so that a target that cannot be written costs no time.
    HST_ASSIGN_OR_RETURN(writer_, ArtifactWriter::Create(o_.output, o_.cancel));
    HST_RETURN_IF_ERROR(Import());
    HST_RETURN_IF_ERROR(ReadText());   // before the work, so that bad text costs no time
    HST_RETURN_IF_ERROR(RunPasses());
    HST_RETURN_IF_ERROR(Write());
    HST_RETURN_IF_ERROR(Check());
    HST_RETURN_IF_ERROR(Cancelled());
    return writer_->Commit();
  }

 private:
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
    if (!o_.tokenizer) return {};
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
    if (o_.calibrate.empty()) return {};
    if (!o_.tokenizer) return UsageError("--calibrate needs the tokenizer that --no-tokenizer leaves out");
    HST_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Open(tokenizer_));
    HST_ASSIGN_OR_RETURN(text_, ReadCalibrationText(o_.calibrate, *tokenizer, o_.samples, o_.context));
    return {};
  }

  Result<Trained> CalibratedValues(const plan::ProgramPlan& plan, ThreadPool& pool) {
    Trained values;
    if (o_.calibrate.empty()) return values;
    HST_RETURN_IF_ERROR(Stage("calibrate"));
    HST_ASSIGN_OR_RETURN(values.codes, Calibrate(*model_.graph, plan, text_.samples, {{}, o_.update, o_.cancel}, pool));
    if (o_.distill_steps == 0) return values;
    HST_RETURN_IF_ERROR(Stage("distill"));
    DistillOptions distill;
    distill.steps = o_.distill_steps, distill.rate = o_.distill_rate;
    distill.update = o_.update, distill.cancel = o_.cancel;
    distill.checkpoint = o_.output + ".distill";
    HST_RETURN_IF_ERROR(Distill(*model_.graph, plan, text_.samples, distill, pool, &values));
    return values;
  }

  Status RunPasses() {
    HST_RETURN_IF_ERROR(Stage("passes"));
    HST_ASSIGN_OR_RETURN(const std::vector<const passes::PassInfo*> list, passes::ResolvePasses(o_.pipeline));
    passes::RunOptions run = o_.passes;
    run.cancel = o_.cancel;
    HST_RETURN_IF_ERROR(passes::RunPasses(*model_.graph, list, run, &report_.passes));
    if (report_.passes.stopped) return UsageError("--stop-after ends the pipeline early; no artifact was written");
    return {};
  }

  Status Write() {
    plan::PlanOptions options;
    options.weights = o_.weights;
    options.head = report_.head;
    options.embed = report_.embed;
    options.kv = report_.kv;
    options.max_positions = static_cast<int64_t>(std::min(generation_.max_positions, uint64_t{1} << 40));
    HST_ASSIGN_OR_RETURN(const plan::ProgramPlan plan, plan::MakePlan(*model_.graph, options));
    report_.tensors = plan.tensors.size();
    report_.instructions = plan.instrs.size();
    report_.layers = plan.layers.size();
    const std::vector<std::byte> program = plan::SerializeProgram(plan);
    writer_->RequireMinor(NeededMinor(*fb::GetProgram(program.data())));
    HST_RETURN_IF_ERROR(writer_->AddSection(SectionKind::kProgram, program));
    HST_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> pool, ThreadPool::Create(o_.threads));
    HST_ASSIGN_OR_RETURN(const Trained values, CalibratedValues(plan, *pool));
    HST_RETURN_IF_ERROR(Stage("pack"));
    HST_RETURN_IF_ERROR(WriteWeights(plan, values, *pool, {o_.update, o_.cancel}, *writer_));
    if (o_.tokenizer) HST_RETURN_IF_ERROR(writer_->AddSection(SectionKind::kTokenizer, std::as_bytes(std::span(tokenizer_))));
    HST_RETURN_IF_ERROR(Stage("digest"));
    HST_RETURN_IF_ERROR(writer_->AddSection(SectionKind::kModelInfo, BuildModelInfo(generation_, MakeProvenance())));
    return writer_->Finish();
  }

  Provenance MakeProvenance() const {
    Provenance p;
    p.tool_version = o_.tool_version;
    p.source = DigestSource(model_);
    p.recipe = {{"weights", std::string(GetScheme(report_.weights).name)},
                {"head", std::string(GetScheme(report_.head).name)},
                {"embed", std::string(GetScheme(report_.embed).name)},
                {"kv", std::string(KvName(report_.kv))},
                {"quantizer", o_.calibrate.empty() ? "round-to-nearest" : "gptq"}};
    if (!o_.calibrate.empty()) {
      p.recipe["calibration.samples"] = StrCat(text_.samples.count);
      p.recipe["calibration.context"] = StrCat(text_.samples.context);
      if (o_.distill_steps) {
        p.recipe["distill.steps"] = StrCat(o_.distill_steps);
        p.recipe["distill.rate"] = StrCat(o_.distill_rate);
      }
    }
    for (const std::string& pass : o_.passes.disable) p.recipe.emplace("disable-pass." + pass, std::string(1, '1'));
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
    options.lossless = report_.weights == Scheme::kF32 && report_.head == Scheme::kF32 &&
                       report_.embed == Scheme::kF32 && report_.kv == KvType::kF32;
    options.threads = o_.threads;
    options.cancel = o_.cancel;
    HST_ASSIGN_OR_RETURN(const RoundTripReport checked, CheckRoundTrip(options));
    report_.agreement = checked.agreement;
    report_.artifact_bytes = checked.artifact_bytes;
    return {};
  }

  const CompileOptions& o_;
  CompileReport& report_;
  std::unique_ptr<ArtifactWriter> writer_;
  ImportedModel model_;
  Companions companions_;
  CalibrationText text_;
  GenerationDefaults generation_;
  std::vector<uint8_t> tokenizer_;
};

}  // namespace

std::string_view KvName(KvType type) {
  switch (type) {
    case KvType::kI8: return "int8";
    case KvType::kF16: return "fp16";
    case KvType::kF32: return "fp32";
  }
  return "";
}

KvType DefaultKv(Scheme weights) {
  const SchemeInfo& info = GetScheme(weights);
  if (info.integer) return KvType::kI8;
  return info.bits == 16 ? KvType::kF16 : KvType::kF32;
}

Scheme DefaultHead(Scheme weights) { return GetScheme(weights).zero_point ? Scheme::kI8G64 : weights; }

Status CompileModel(const CompileOptions& options, CompileReport* report) { return Compilation(options, *report).Run(); }

}  // namespace hasten::calib
