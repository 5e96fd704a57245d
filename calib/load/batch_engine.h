// An engine of one artifact in this process, through the public C interface, as a server
// runs one: continuous batching on a thread of its own. A step advances every sequence
// that is decoding by a token and reads on in prompts, the oldest first, as far as the
// step has room; a long prompt therefore delays the others' tokens by a step, not by
// itself. Requests beyond `sequences` wait in order of arrival.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "calib/abi/batch.h"
#include "calib/load/engine.h"

namespace hasten::load {

struct BatchEngineOptions {
  std::string artifact, isa;     // isa: "" for the best
  calib::Place place;
  int threads = 0;               // 0: one a core
  int64_t sequences = 8;         // worked on at once
  int64_t capacity = 0;          // tokens of the longest request, prompt and output
  double timeout_s = 60;         // a request that is older is given up
  const std::atomic<bool>* cancel = nullptr;   // outlives the engine
};

class BatchEngine : public Engine {
 public:
  // `clock` outlives the engine. kUsage for an encoder.
  static Result<std::unique_ptr<BatchEngine>> Open(const BatchEngineOptions& options, Clock& clock);
  ~BatchEngine() override;

  void Submit(const Request& request, std::function<void(Outcome)> done) override;
  void Drain() override;
  // What serving added to this process: the rest of it may hold much else.
  int64_t PeakBytes() override;
  double load_ms() const { return load_ms_; }

  // Tokens of a step: prompts are read as fast as in larger ones, and it takes a fraction
  // of what a long prompt does.
  static constexpr int64_t kStepTokens = 256;

 private:
  struct Job {
    Request request;
    double sent = 0;
    std::function<void(Outcome)> done;
    Outcome outcome;
    hst_sequence sequence = 0;
    size_t read = 0;             // tokens of `history` that were evaluated
    std::vector<int32_t> history;
  };
  // What a step does for one job.
  struct Part {
    Job* job;
    size_t tokens;
  };
  BatchEngine(const BatchEngineOptions& options, Clock& clock) : options_(options), clock_(clock) {}
  void Serve(const std::stop_token& stop);
  void Step();
  std::vector<Part> Plan();
  Status Evaluate(std::vector<Part>& parts);
  void Take(Job& job, int32_t token);
  std::string WhyGivenUp(const Job& job);
  void Retire();
  void Finish(Job& job);

  BatchEngineOptions options_;
  Clock& clock_;
  double load_ms_ = 0;
  int64_t resident_before_ = 0;
  std::unique_ptr<calib::Artifact> artifact_;
  std::unique_ptr<calib::BatchSession> session_;
  std::deque<Job> active_;       // the worker's own, in order of arrival
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> queue_;        // under mutex_, as is:
  bool busy_ = false;
  std::jthread worker_;          // the last member: ends before what it uses
};

}  // namespace hasten::load
