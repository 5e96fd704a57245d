#include "calib/load/measure.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "calib/load/batch_engine.h"
#include "calib/load/command_engine.h"
#include "calib/machine/proc.h"

namespace hasten::load {
namespace {

constexpr int64_t kTurns = 2;   // blocks of each subject beside a baseline

struct Started {
  std::unique_ptr<Engine> engine;
  double load_ms = 0;
};

Result<Started> Start(const Target& target, const MeasureOptions& o, Clock& clock) {
  if (!target.command.empty()) {
    HST_ASSIGN_OR_RETURN(std::unique_ptr<CommandEngine> engine, CommandEngine::Start(target.command, o.workload.timeout_s, clock, o.cancel));
    const double ms = engine->load_ms();
    return Started{std::move(engine), ms};
  }
  const BatchEngineOptions how{.artifact = target.artifact, .isa = o.isa, .place = o.place, .threads = o.threads, .sequences = o.sequences,
                               .capacity = o.workload.prompt_max + o.workload.output_tokens,
                               .timeout_s = o.workload.timeout_s, .cancel = o.cancel};
  HST_ASSIGN_OR_RETURN(std::unique_ptr<BatchEngine> engine, BatchEngine::Open(how, clock));
  const double ms = engine->load_ms();
  return Started{std::move(engine), ms};
}

// Prompts that every artifact which takes part has ids and positions for.
Result<std::vector<Request>> RequestsFor(const MeasureOptions& o) {
  int64_t vocab = INT64_MAX, positions = INT64_MAX;
  for (const Target* target : {&o.candidate, o.baseline ? &*o.baseline : nullptr}) {
    if (!target || target->artifact.empty()) continue;
    HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::Artifact> artifact, calib::Artifact::Open(target->artifact, o.isa, o.place));
    vocab = std::min(vocab, artifact->info().vocab);
    positions = std::min(positions, artifact->info().max_positions);
  }
  return MakeRequests(o.workload, vocab, positions);
}

Status RunBlock(const Target& target, std::span<const Request> requests, const MeasureOptions& o, Clock& clock,
                const std::function<void(int64_t)>& progress, Measured& m) {
  HST_ASSIGN_OR_RETURN(const Started started, Start(target, o, clock));
  const GenerateOptions how{.timeout_s = o.workload.timeout_s, .cancel = o.cancel, .progress = progress};
  HST_ASSIGN_OR_RETURN(Run run, Generate(requests, *started.engine, clock, how));
  m.load_ms.push_back(started.load_ms);
  m.peak_bytes = std::max(m.peak_bytes, started.engine->PeakBytes());
  m.seconds += run.end_s - run.begin_s;
  m.busy_s += run.busy_s;
  std::move(run.records.begin(), run.records.end(), std::back_inserter(m.records));
  return {};
}

int64_t FileBytes(const std::string& path) {   // 0: there is none
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

std::string NoteOf(const MeasureOptions& o, int64_t turns) {
  const Workload& w = o.workload;
  std::string note = StrCat("Open loop, Poisson arrivals, ", w.arrivals_per_s, " requests/s, ", w.requests, " requests of ", w.prompt_min, " to ", w.prompt_max,
                            " prompt and ", w.output_tokens, " output tokens after ", w.warmup,
                            " to warm up; times from the intended send; artifacts serve ", o.sequences, " sequences at once, batched step by step, first come, first served");
  if (turns > 1) note += StrCat("; candidate and baseline in turns, ", turns, " blocks each");
  return note + ".";
}

}  // namespace

std::vector<Request> BlockOf(const std::vector<Request>& requests, int64_t block, int64_t blocks) {
  const auto first = std::find_if(requests.begin(), requests.end(), [](const Request& r) { return r.measured; });
  const int64_t warmup = first - requests.begin(), measured = requests.end() - first;
  const int64_t begin = warmup + measured * block / blocks, end = warmup + measured * (block + 1) / blocks;
  std::vector<Request> out(requests.begin(), first);
  const double warm_end = warmup ? requests[static_cast<size_t>(warmup - 1)].at_s : 0;
  const double before = begin ? requests[static_cast<size_t>(begin - 1)].at_s : 0;
  for (int64_t i = begin; i < end; ++i) {
    out.push_back(requests[static_cast<size_t>(i)]);
    out.back().at_s += warm_end - before;
  }
  return out;
}

Result<LatencyReport> MeasureOpening(const MeasureOptions& o) {
  constexpr int64_t kTokens = 16;
  const int64_t before = calib::ResidentBytes();
  calib::ResetPeakMemory();
  SteadyClock clock;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::Artifact> artifact, calib::Artifact::Open(o.candidate.artifact, o.isa, o.place));
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<calib::Session> session, calib::Session::Create(*artifact, {.threads = o.threads, .capacity = kTokens, .cancel = o.cancel}));
  const double load_ms = 1e3 * clock.Now();
  const std::vector<int32_t> tokens(static_cast<size_t>(std::min(kTokens, artifact->info().max_positions)), 0);
  HST_RETURN_IF_ERROR(session->Evaluate(tokens, calib::Rows::kAll).status());
  Measured measured{.name = o.candidate.name, .load_ms = {load_ms}, .peak_bytes = calib::PeakMemoryBytes("self") - before};
  measured.artifact_bytes = FileBytes(o.candidate.artifact);
  LatencyReport report{.note = "Opened and evaluated once, without load.", .currency = o.price.currency};
  report.subjects.push_back(Summarize(measured, {}, {}));
  return report;
}

Result<LatencyReport> MeasureLatency(const MeasureOptions& o) {
  HST_ASSIGN_OR_RETURN(const std::vector<Request> requests, RequestsFor(o));
  const int64_t turns = o.baseline ? std::min(kTurns, o.workload.requests) : 1;
  std::vector<const Target*> targets = {&o.candidate};
  if (o.baseline) targets.push_back(&*o.baseline);
  std::vector<Measured> measured(targets.size());
  SteadyClock clock;
  int64_t done = 0;
  const int64_t total = static_cast<int64_t>(targets.size()) * (o.workload.requests + turns * o.workload.warmup);
  for (int64_t turn = 0; turn < turns; ++turn) {
    const std::vector<Request> block = BlockOf(requests, turn, turns);
    for (size_t i = 0; i < targets.size(); ++i) {
      measured[i].name = targets[i]->name;
      const auto progress = [&](int64_t sent) { if (o.progress) o.progress(done + sent, total); };
      HST_RETURN_IF_ERROR(RunBlock(*targets[i], block, o, clock, progress, measured[i]));
      done += static_cast<int64_t>(block.size());
    }
  }
  LatencyReport report{.note = NoteOf(o, turns), .currency = o.price.currency, .arrivals_per_s = o.workload.arrivals_per_s};
  for (size_t i = 0; i < targets.size(); ++i) {
    measured[i].artifact_bytes = FileBytes(targets[i]->artifact);
    report.subjects.push_back(Summarize(measured[i], o.limits, o.price));
  }
  if (o.baseline) report.comparisons = Compare(measured[0], measured[1], o.ratio_max);
  return report;
}

}  // namespace hasten::load
