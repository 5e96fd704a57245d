#include "calib/load/session_engine.h"

#include <algorithm>
#include <utility>

#include "calib/machine/proc.h"

namespace hasten::load {

Result<std::unique_ptr<SessionEngine>> SessionEngine::Open(const SessionEngineOptions& options, Clock& clock) {
  std::unique_ptr<SessionEngine> engine(new SessionEngine(options, clock));
  engine->resident_before_ = calib::ResidentBytes();
  calib::ResetPeakMemory();
  const double begin = clock.Now();
  HST_ASSIGN_OR_RETURN(engine->artifact_, calib::Artifact::Open(options.artifact, options.isa));
  if (!engine->artifact_->info().causal) return UsageError(options.artifact, " is an encoder; latency is measured of generation");
  const calib::SessionOptions session{.threads = options.threads, .capacity = options.capacity, .cancel = options.cancel};
  HST_ASSIGN_OR_RETURN(engine->session_, calib::Session::Create(*engine->artifact_, session));
  engine->load_ms_ = 1e3 * (clock.Now() - begin);
  engine->worker_ = std::jthread([e = engine.get()](const std::stop_token& stop) { e->Serve(stop); });
  return engine;
}

SessionEngine::~SessionEngine() = default;

void SessionEngine::Submit(const Request& request, std::function<void(Outcome)> done) {
  const std::lock_guard lock(mutex_);
  queue_.push_back({request, clock_.Now(), std::move(done)});
  changed_.notify_all();
}

void SessionEngine::Drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

int64_t SessionEngine::PeakBytes() { return std::max<int64_t>(0, calib::PeakMemoryBytes("self") - resident_before_); }

void SessionEngine::Serve(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !queue_.empty(); })) {
    const Job job = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    job.done(Answer(job));
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

Outcome SessionEngine::Answer(const Job& job) {
  Outcome outcome;
  outcome.start = clock_.Now();
  const Status status = Decode(job, outcome);
  if (!status.ok()) outcome.error = status.message();
  return outcome;
}

Status SessionEngine::Decode(const Job& job, Outcome& outcome) {
  HST_RETURN_IF_ERROR(session_->Reset());
  std::vector<int32_t> history = job.request.prompt;
  std::span<const int32_t> next = history;
  while (static_cast<int64_t>(outcome.tokens.size()) < job.request.output_tokens) {
    if (options_.cancel && *options_.cancel) return Status(Code::kCancelled, "interrupted");   // those in the queue too
    if (clock_.Now() - job.sent > options_.timeout_s) return ResourceError("given up after ", options_.timeout_s, " s");
    HST_ASSIGN_OR_RETURN(const calib::RowBlock logits, session_->Evaluate(next, calib::Rows::kLast));
    HST_ASSIGN_OR_RETURN(const int32_t token, session_->Sample(logits.At(0), history, {}));
    outcome.tokens.push_back(clock_.Now());
    history.push_back(token);
    next = {&history.back(), 1};
  }
  return {};
}

}  // namespace hasten::load
