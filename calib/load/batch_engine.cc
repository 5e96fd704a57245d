#include "calib/load/batch_engine.h"

#include <algorithm>
#include <utility>

#include "calib/machine/proc.h"
#include "calib/metrics/score.h"

namespace hasten::load {
Result<std::unique_ptr<BatchEngine>> BatchEngine::Open(const BatchEngineOptions& options, Clock& clock) {
  std::unique_ptr<BatchEngine> engine(new BatchEngine(options, clock));
  engine->resident_before_ = calib::ResidentBytes();
  calib::ResetPeakMemory();
  const double begin = clock.Now();
  HST_ASSIGN_OR_RETURN(engine->artifact_, calib::Artifact::Open(options.artifact, options.isa, options.place));
  if (!engine->artifact_->info().causal) return UsageError(options.artifact, " is an encoder; latency is measured of generation");
  const calib::SessionOptions session{.threads = options.threads, .capacity = options.sequences * (options.capacity + calib::kCachePage), .cancel = options.cancel};
  HST_ASSIGN_OR_RETURN(engine->session_, calib::BatchSession::Create(*engine->artifact_, session));
  engine->load_ms_ = 1e3 * (clock.Now() - begin);
  engine->worker_ = std::jthread([e = engine.get()](const std::stop_token& stop) { e->Serve(stop); });
  return engine;
}

BatchEngine::~BatchEngine() = default;

void BatchEngine::Submit(const Request& request, std::function<void(Outcome)> done) {
  const std::lock_guard lock(mutex_);
  queue_.push_back({.request = request, .sent = clock_.Now(), .done = std::move(done), .outcome = {}, .history = request.prompt});
  changed_.notify_all();
}

void BatchEngine::Drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

int64_t BatchEngine::PeakBytes() { return std::max<int64_t>(0, calib::PeakMemoryBytes("self") - resident_before_); }

void BatchEngine::Serve(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !queue_.empty() || !active_.empty(); })) {
    while (!queue_.empty() && static_cast<int64_t>(active_.size()) < options_.sequences) {
      active_.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    busy_ = true;
    lock.unlock();
    Step();
    lock.lock();
    busy_ = !active_.empty();
    if (!busy_) changed_.notify_all();
  }
}

// Why the job is not worked on any longer, "" while it is.
std::string BatchEngine::WhyGivenUp(const Job& job) {
  if (options_.cancel && *options_.cancel) return "interrupted";   // those in the queue too, as they come up
  if (clock_.Now() - job.sent > options_.timeout_s) return StrCat("given up after ", options_.timeout_s, " s");
  return "";
}

void BatchEngine::Step() {
  for (Job& job : active_) job.outcome.error = WhyGivenUp(job);
  Retire();
  std::vector<Part> parts = Plan();
  if (parts.empty()) return;
  const Status status = Evaluate(parts);
  for (const Part& part : parts) {
    if (!status.ok() && part.job->outcome.error.empty()) part.job->outcome.error = status.message();
  }
  Retire();
}

std::vector<BatchEngine::Part> BatchEngine::Plan() {
  std::vector<Part> parts;
  int64_t room = kStepTokens;
  for (const bool decoding : {true, false}) {   // a token of those that decode comes first
    for (Job& job : active_) {
      const size_t left = job.history.size() - job.read;
      if (decoding != !job.outcome.tokens.empty() || room == 0) continue;
      const size_t n = std::min(left, static_cast<size_t>(room));
      parts.push_back({&job, n});
      room -= static_cast<int64_t>(n);
    }
  }
  return parts;
}

Status BatchEngine::Evaluate(std::vector<Part>& parts) {
  std::vector<calib::BatchItem> items;
  for (const Part& part : parts) {
    Job& job = *part.job;
    if (job.read == 0) {
      HST_ASSIGN_OR_RETURN(job.sequence, session_->New());
      job.outcome.start = clock_.Now();
    }
    const bool last = job.read + part.tokens == job.history.size();
    items.push_back({job.sequence, std::span(job.history).subspan(job.read, part.tokens), last ? calib::Rows::kLast : calib::Rows::kNone});
  }
  HST_RETURN_IF_ERROR(session_->Evaluate(items));
  std::vector<calib::BatchChoice> choices;
  for (size_t i = 0; i < parts.size(); ++i) {
    Job& job = *parts[i].job;
    job.read += parts[i].tokens;
    if (job.read < job.history.size()) continue;
    HST_ASSIGN_OR_RETURN(const calib::RowBlock rows, artifact_->on_cpu() ? session_->RowsOf(i) : calib::RowBlock());   // a device's stay there
    if (rows.rows > 0 && !calib::IsDistribution(rows.At(0))) job.outcome.error = "logits have a NaN or an infinity";
    else choices.push_back({i, job.history, {}});
  }
  if (choices.empty()) return {};
  HST_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, session_->SampleNext(choices));
  for (size_t i = 0; i < choices.size(); ++i) Take(*parts[choices[i].item].job, tokens[i]);
  return {};
}

// The job's next token; -1: there is none.
void BatchEngine::Take(Job& job, int32_t token) {
  if (token < 0) {
    job.outcome.error = "no token can be chosen: a logit is NaN, or all are -inf";
    return;
  }
  job.outcome.tokens.push_back(clock_.Now());
  job.outcome.ids.push_back(token);
  job.history.push_back(token);
}

// Answers the jobs that have all their tokens, or an error.
void BatchEngine::Retire() {
  for (auto at = active_.begin(); at != active_.end();) {
    const bool done = static_cast<int64_t>(at->outcome.tokens.size()) >= at->request.output_tokens;
    if (!done && at->outcome.error.empty()) {
      ++at;
      continue;
    }
    Finish(*at);
    at = active_.erase(at);
  }
}

void BatchEngine::Finish(Job& job) {
  if (job.sequence) {
    const Status freed = session_->Free(job.sequence);
    if (!freed.ok() && job.outcome.error.empty()) job.outcome.error = freed.message();
  }
  job.done(std::move(job.outcome));
}

}  // namespace hasten::load
