// hasten bench: how fast an artifact loads, reads a prompt and decodes; where
// the time goes (--profile); what the machine could do (--machine). The artifact
// may be made up on the spot (--synthetic).
#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "calib/abi/batch.h"
#include "calib/machine/machine.h"
#include "calib/machine/proc.h"
#include "calib/machine/temp_folder.h"
#include "calib/profile/profile.h"
#include "calib/synthetic/shape.h"
#include "calib/synthetic/write.h"
#include "cli/bench_report.h"
#include "cli/command.h"
#include "cli/device.h"
#include "cli/precision.h"
#include "cli/terminal.h"
#include "cli/threads.h"

namespace hasten::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchCommand {
  std::string artifact, isa, synthetic, keep;
  DeviceOptions device;
  PrecisionOptions precision;
  int64_t prompt_tokens = 512, new_tokens = 128, sequences = 1, rounds = 3, prefill_chunk = 0;
  int threads = 0;
  bool json = false, profile = false, machine = false;
};

struct Series {
  const char* key;
  const char* unit;
  bool larger_is_better;
  std::vector<double> rounds;

  double Best() const { return larger_is_better ? *std::max_element(rounds.begin(), rounds.end()) : *std::min_element(rounds.begin(), rounds.end()); }
  double Median() const {
    std::vector<double> sorted = rounds;
    std::sort(sorted.begin(), sorted.end());
    const size_t n = sorted.size();
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  }
};

enum Kind { kPrefill, kDecode, kLoad, kFirst, kMemory, kSize, kUpload, kDeviceMemory };

std::vector<Series> EmptySeries() {
  return {{"prefill_tokens_per_s", "tokens/s", true, {}}, {"decode_tokens_per_s", "tokens/s", true, {}},
          {"load_ms", "ms", false, {}},                   {"time_to_first_token_ms", "ms", false, {}},
          {"peak_rss_mb", "MB", false, {}},               {"artifact_bytes", "bytes", false, {}},
          {"upload_ms", "ms", false, {}},                 {"device_mb", "MB", false, {}}};
}

double Seconds(Clock::time_point begin, Clock::time_point end) { return std::chrono::duration<double>(end - begin).count(); }

// Ids spread over the vocabulary; what they are does not change the time.
std::vector<int32_t> PromptOf(int64_t count, int64_t vocab) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>((i * 7919 + 13) % vocab));
  return tokens;
}

// All sequences' next tokens.
Status Choose(calib::BatchSession& session, std::vector<std::vector<int32_t>>& histories) {
  std::vector<calib::BatchChoice> choices;
  for (size_t i = 0; i < histories.size(); ++i) choices.push_back({i, histories[i], {}});
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, session.SampleNext(choices));
  for (size_t i = 0; i < histories.size(); ++i) {
    if (tokens[i] < 0) return BadInput("the model gives no logits to choose a token from");
    histories[i].push_back(tokens[i]);
  }
  return {};
}

struct RoundTimes {
  Clock::time_point loaded, first, done;
};

// Prompts of all sequences, then a token of each at a time.
Result<RoundTimes> Generate(const BenchCommand& c, calib::BatchSession& session, int64_t vocab) {
  RoundTimes t{Clock::now(), {}, {}};
  const std::vector<int32_t> prompt = PromptOf(c.prompt_tokens, vocab);
  std::vector<std::vector<int32_t>> histories(static_cast<size_t>(c.sequences), prompt);
  std::vector<calib::BatchItem> items;
  for (const auto& history : histories) {
    HST_ASSIGN_OR_RETURN(const hst_sequence sequence, session.New());
    items.push_back({sequence, history, calib::Rows::kLast});
  }
  HST_RETURN_IF_ERROR(session.Evaluate(items));
  HST_RETURN_IF_ERROR(Choose(session, histories));   // on a device, until they are there
  t.first = Clock::now();
  for (int64_t i = 0; i < c.new_tokens; ++i) {
    for (size_t s = 0; s < items.size(); ++s) items[s].tokens = {&histories[s].back(), 1};
    HST_RETURN_IF_ERROR(session.Evaluate(items));
    HST_RETURN_IF_ERROR(Choose(session, histories));
  }
  t.done = Clock::now();
  return t;
}

// Opening is timed anew every round; prompts and tokens run on the artifact that the first
// round opened, as in a server that has been up for a while.
Status OneRound(const BenchCommand& c, const Context& context, std::unique_ptr<calib::Artifact>& served, std::vector<Series>& series) {
  calib::ResetPeakMemory();
  const Clock::time_point begin = Clock::now();
  HST_ASSIGN_OR_RETURN(std::unique_ptr<calib::Artifact> opened, OpenOn(c.artifact, c.isa, c.device));
  const Clock::time_point open = Clock::now();
  const double upload_ms = opened->info().upload_ms;
  if (!served) served = std::move(opened);
  opened.reset();
  const calib::Artifact* const artifact = served.get();
  if (!artifact->info().causal) return UsageError(c.artifact, " is an encoder; bench measures generation");
  calib::SessionOptions options{.threads = ThreadsOf(c.threads), .prefill_chunk = c.prefill_chunk, .cancel = context.interrupted};
  options.capacity = c.sequences * (c.prompt_tokens + c.new_tokens + calib::kCachePage);
  const Clock::time_point create = Clock::now();
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::BatchSession> session, calib::BatchSession::Create(*artifact, options));
  const Clock::time_point created = Clock::now();
  HST_ASSIGN_OR_RETURN(const RoundTimes t, Generate(c, *session, artifact->info().vocab));
  const auto all = static_cast<double>(c.sequences);
  series[kPrefill].rounds.push_back(all * static_cast<double>(c.prompt_tokens) / Seconds(t.loaded, t.first));
  series[kDecode].rounds.push_back(all * static_cast<double>(c.new_tokens) / Seconds(t.first, t.done));
  series[kLoad].rounds.push_back(1e3 * (Seconds(begin, open) + Seconds(create, created)));
  series[kFirst].rounds.push_back(1e3 * Seconds(t.loaded, t.first));
  series[kMemory].rounds.push_back(static_cast<double>(calib::PeakMemoryBytes("self")) / 1e6);
  std::ifstream file(c.artifact, std::ios::ate | std::ios::binary);
  series[kSize].rounds.push_back(static_cast<double>(file.tellg()));
  if (artifact->on_cpu()) return {};
  HST_ASSIGN_OR_RETURN(const uint64_t device_bytes, artifact->DeviceBytes());
  series[kUpload].rounds.push_back(upload_ms);
  series[kDeviceMemory].rounds.push_back(static_cast<double>(device_bytes) / 1e6);
  return {};
}

calib::MachineOptions MachineOptionsOf(std::vector<int> threads, Progress& progress, const Context& context) {
  calib::MachineOptions options{.threads = std::move(threads), .cancel = context.interrupted};
  options.stage = [&progress](std::string_view name) { progress.Stage(name); };
  return options;
}

// A run of its own after the rounds: measuring instructions costs time.
struct Profile {
  std::vector<calib::PhaseProfile> phases;
  calib::Machine machine;
  Isa isa = Isa::kScalar;
};

Result<Profile> MeasureProfile(const BenchCommand& c, const Context& context, Progress& progress) {
  Profile profile;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::Artifact> artifact, OpenOn(c.artifact, c.isa, c.device));
  HST_ASSIGN_OR_RETURN(profile.isa, ParseIsa(artifact->info().isa));
  const int threads = ThreadsOf(c.threads);
  HST_ASSIGN_OR_RETURN(profile.machine, calib::MeasureMachine(MachineOptionsOf({threads}, progress, context)));
  progress.Stage("profile");
  const std::vector<int32_t> prompt = PromptOf(c.prompt_tokens, artifact->info().vocab);
  calib::ProfileOptions options{.prompt = prompt, .new_tokens = c.new_tokens};
  options.session = {.threads = threads, .prefill_chunk = c.prefill_chunk, .cancel = context.interrupted};
  HST_ASSIGN_OR_RETURN(profile.phases, calib::ProfileArtifact(*artifact, options));
  return profile;
}

Result<int> RunMachine(const BenchCommand& c, const Context& context) {
  if (!c.artifact.empty() || !c.synthetic.empty() || c.profile)
    return UsageError("--machine measures the machine alone; give no artifact and no --profile with it");
  Progress progress(c.json);
  HST_ASSIGN_OR_RETURN(const calib::Machine machine,
                       calib::MeasureMachine(MachineOptionsOf(calib::ThreadCounts(ThreadsOf(c.threads)), progress, context)));
  progress.End();
  HST_RETURN_IF_ERROR(WriteOut(c.json ? MachineJson(machine).dump(2) + "\n" : MachineText(machine)));
  return 0;
}

// An artifact of the shape; c.artifact becomes its path. Its file has no name and
// lives with the writer, unless it is kept.
Result<std::unique_ptr<ArtifactWriter>> MakeSynthetic(BenchCommand& c, const Context& context, Progress& progress) {
  if (!c.artifact.empty()) return UsageError("--synthetic makes its own artifact; give none with it");
  HST_ASSIGN_OR_RETURN(const Precision precision, PrecisionOf(c.precision));
  progress.Stage(StrCat("write ", c.synthetic, " with random weights"));
  calib::SyntheticOptions options{.shape = c.synthetic, .weights = precision.weights, .head = precision.head, .embed = precision.embed, .kv = precision.kv};
  options.target = c.keep.empty() ? StrCat(calib::TempFolder(), "/hasten-", c.synthetic, ".hst") : c.keep;
  options.tool_version = HASTEN_VERSION;
  options.threads = ThreadsOf(c.threads);
  options.update = [&progress](uint64_t done, uint64_t total) { progress.Update(done, total); };
  options.cancel = context.interrupted;
  HST_ASSIGN_OR_RETURN(std::unique_ptr<ArtifactWriter> writer, calib::WriteSynthetic(options));
  c.artifact = writer->pending_path();
  if (c.keep.empty()) return writer;
  HST_RETURN_IF_ERROR(writer->Commit());
  c.artifact = c.keep;
  return writer;
}

Status Print(const BenchCommand& c, const std::vector<Series>& all, const std::optional<Profile>& profile) {
  nlohmann::ordered_json report;
  report["sequences"] = c.sequences;
  TextTable table;
  table.Row({"", "best", "median", "unit"});
  for (const Series& s : all) {
    if (s.rounds.empty()) continue;   // of a device, and there is none
    report[s.key] = {{"best", s.Best()}, {"median", s.Median()}, {"rounds", s.rounds}};
    const int digits = s.larger_is_better || s.Best() < 1000 ? 1 : 0;
    table.Row({s.key, Fixed(s.Best(), digits), Fixed(s.Median(), digits), s.unit});
  }
  std::string text = table.Text();
  if (profile) {
    const ProfileReport how{profile->phases, profile->machine, ThreadsOf(c.threads), profile->isa};
    report["profile"] = ProfileJson(how);
    text += "\n" + ProfileText(how);
  }
  return WriteOut(c.json ? report.dump(2) + "\n" : text);
}

Result<int> Run(BenchCommand c, const Context& context) {
  if (c.machine) return RunMachine(c, context);
  if (!c.keep.empty() && c.synthetic.empty()) return UsageError("--keep names the artifact that --synthetic makes");
  if (c.artifact.empty() && c.synthetic.empty()) return UsageError("bench needs an artifact, --synthetic or --machine\nsee: hasten bench --help");
  if (c.profile && c.sequences > 1) return UsageError("--profile measures one sequence; give no --sequences with it");
  if (c.profile && !c.device.on_cpu())
    return UsageError("--profile compares instructions with the limits of this machine's CPU; give no --device ", c.device.name, " with it");
  std::vector<Series> series = EmptySeries();
  Progress progress(c.json);
  std::unique_ptr<ArtifactWriter> synthetic;
  if (!c.synthetic.empty()) {
    HST_ASSIGN_OR_RETURN(synthetic, MakeSynthetic(c, context, progress));
  }
  progress.Stage(StrCat("bench: ", c.sequences > 1 ? StrCat(c.sequences, " sequences of ") : "", c.prompt_tokens, " prompt and ", c.new_tokens,
                        " new tokens, ", ThreadsOf(c.threads), " threads", c.device.on_cpu() ? "" : StrCat(", device ", c.device.name)));
  std::unique_ptr<calib::Artifact> served;
  for (int64_t round = 0; round < c.rounds; ++round) {
    HST_RETURN_IF_ERROR(OneRound(c, context, served, series));
    progress.Update(static_cast<uint64_t>(round + 1), static_cast<uint64_t>(c.rounds));
  }
  std::optional<Profile> profile;
  if (c.profile) {
    HST_ASSIGN_OR_RETURN(profile, MeasureProfile(c, context, progress));
  }
  progress.End();
  HST_RETURN_IF_ERROR(Print(c, series, profile));
  return 0;
}

}  // namespace

Action AddBench(CLI::App& app) {
  const auto c = std::make_shared<BenchCommand>();
  app.add_option("artifact", c->artifact, "The compiled model")->type_name("out.hst");
  app.add_option("--prompt-tokens", c->prompt_tokens, "Tokens of the prompt [512]")->check(CLI::Range(int64_t{1}, int64_t{1} << 24))->type_name("N");
  app.add_option("--new-tokens", c->new_tokens, "Tokens decoded after it [128]")->check(CLI::Range(int64_t{1}, int64_t{1} << 24))->type_name("N");
  app.add_option("--sequences", c->sequences, "Sequences that are read and decoded together; rates count the tokens of all [1]")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}))->type_name("N");
  app.add_option("--rounds", c->rounds, "Rounds; each times opening anew, and runs on the artifact that the first opened [3]")->check(CLI::Range(int64_t{1}, int64_t{1000}))->type_name("N");
  app.add_option("--threads", c->threads, "Threads [one a core]")->check(CLI::Range(1, 256))->type_name("N");
  app.add_option("--prefill-chunk", c->prefill_chunk, "Tokens of the prompt evaluated at once [512]")
      ->check(CLI::Range(int64_t{1}, int64_t{8192}))->type_name("N");
  AddDeviceOptions(app, c->device);
  app.add_option("--isa", c->isa, "Force an instruction set: scalar, avx2, avxvnni, avx512vnni")->type_name("ISA");
  app.add_flag("--profile", c->profile, "Then run once more and show where the time goes, beside the machine's limits");
  app.add_option("--synthetic", c->synthetic, StrCat("Time random weights in the shape of a published model instead: ", calib::ShapeNames()))->type_name("SHAPE");
  app.add_option("--keep", c->keep, "Keep the artifact that --synthetic makes")->type_name("out.hst");
  AddPrecisionOptions(app, c->precision);
  app.add_flag("--machine", c->machine, "Measure the machine instead of an artifact: memory, multiply-adds, parallel regions");
  app.add_flag("--json", c->json, "Print best, median and rounds of every figure as JSON");
  return [c](const Context& context) { return Run(*c, context); };
}

}  // namespace hasten::cli
