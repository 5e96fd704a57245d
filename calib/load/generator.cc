#include "calib/load/generator.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace hasten::load {
namespace {

int64_t SteadyNs() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

struct Sent {
  double intended = 0, sent = 0;
  Outcome outcome;
};

Record RecordOf(const Request& request, Sent& s, double begin, double timeout_s) {
  Record r{.prompt_tokens = static_cast<int64_t>(request.prompt.size()), .at_s = request.at_s, .lag_ms = 1e3 * (s.sent - s.intended)};
  r.error = std::move(s.outcome.error);
  const std::vector<double>& tokens = s.outcome.tokens;
  if (r.error.empty() && static_cast<int64_t>(tokens.size()) != request.output_tokens)
    r.error = StrCat(tokens.size(), " of ", request.output_tokens, " tokens came");
  if (r.error.empty() && tokens.back() - s.intended > timeout_s) r.error = StrCat("took longer than ", timeout_s, " s");
  if (!r.error.empty()) return r;
  r.queue_ms = 1e3 * (s.outcome.start - s.intended);
  r.prefill_ms = 1e3 * (tokens.front() - s.outcome.start);
  r.ttft_ms = 1e3 * (tokens.front() - s.intended);
  r.e2e_ms = 1e3 * (tokens.back() - s.intended);
  if (tokens.size() > 1) r.tpot_ms = (r.e2e_ms - r.ttft_ms) / static_cast<double>(tokens.size() - 1);
  for (size_t i = 1; i < tokens.size(); ++i) r.itl_ms.push_back(1e3 * (tokens[i] - tokens[i - 1]));
  r.end_s = tokens.back() - begin;
  return r;
}

// Length of the union of the spans in which a measured request was worked on.
double BusySeconds(std::vector<std::pair<double, double>> spans) {
  std::sort(spans.begin(), spans.end());
  double busy = 0, until = 0;
  for (const auto& [start, end] : spans) {
    busy += std::max(0.0, end - std::max(start, until));
    until = std::max(until, end);
  }
  return busy;
}

}  // namespace

SteadyClock::SteadyClock() : begin_ns_(SteadyNs()) {}
double SteadyClock::Now() { return 1e-9 * static_cast<double>(SteadyNs() - begin_ns_); }
void SteadyClock::SleepUntil(double time) {
  const double left = time - Now();
  if (left > 0) std::this_thread::sleep_for(std::chrono::duration<double>(left));
}

Result<Run> Generate(std::span<const Request> requests, Engine& engine, Clock& clock, const GenerateOptions& o) {
  constexpr double kSlice = 0.05;   // seconds between looks at `cancel`
  const auto cancelled = [&o] { return o.cancel && *o.cancel; };
  std::vector<Sent> sent(requests.size());
  const double begin = clock.Now();
  for (size_t i = 0; i < requests.size() && !cancelled(); ++i) {
    sent[i].intended = begin + requests[i].at_s;
    while (clock.Now() < sent[i].intended && !cancelled()) {
      if (o.progress) o.progress(static_cast<int64_t>(i));
      clock.SleepUntil(std::min(sent[i].intended, clock.Now() + kSlice));
    }
    if (cancelled()) break;
    sent[i].sent = clock.Now();
    engine.Submit(requests[i], [slot = &sent[i].outcome](Outcome outcome) { *slot = std::move(outcome); });
  }
  engine.Drain();
  if (cancelled()) return Status(Code::kCancelled, "interrupted");
  Run run;
  std::vector<std::pair<double, double>> spans;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!requests[i].measured) continue;
    if (!sent[i].outcome.tokens.empty()) spans.emplace_back(sent[i].outcome.start, sent[i].outcome.tokens.back());
    run.records.push_back(RecordOf(requests[i], sent[i], begin, o.timeout_s));
  }
  if (run.records.empty()) return run;
  run.begin_s = run.end_s = run.records.front().at_s;
  for (const Record& r : run.records) run.end_s = std::max({run.end_s, r.at_s, r.end_s});
  run.busy_s = BusySeconds(std::move(spans));
  return run;
}

}  // namespace hasten::load
