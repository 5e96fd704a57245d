// An engine of one artifact in this process, through the public C interface: first
// come, first served, one sequence at a time, on a thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "calib/abi/artifact.h"
#include "calib/load/engine.h"

namespace hasten::load {

struct SessionEngineOptions {
  std::string artifact, isa;     // isa: "" for the best
  int threads = 0;               // 0: one a core
  int64_t capacity = 0;          // tokens of the longest request, prompt and output
  double timeout_s = 60;         // a request that is older is given up
  const std::atomic<bool>* cancel = nullptr;   // outlives the engine
};

class SessionEngine : public Engine {
 public:
  // `clock` outlives the engine. kUsage for an encoder.
  static Result<std::unique_ptr<SessionEngine>> Open(const SessionEngineOptions& options, Clock& clock);
  ~SessionEngine() override;

  void Submit(const Request& request, std::function<void(Outcome)> done) override;
  void Drain() override;
  // What serving added to this process: the rest of it may hold much else.
  int64_t PeakBytes() override;
  double load_ms() const { return load_ms_; }

 private:
  struct Job {
    Request request;
    double sent = 0;
    std::function<void(Outcome)> done;
  };
  SessionEngine(const SessionEngineOptions& options, Clock& clock) : options_(options), clock_(clock) {}
  void Serve(const std::stop_token& stop);
  Outcome Answer(const Job& job);
  Status Decode(const Job& job, Outcome& outcome);

  SessionEngineOptions options_;
  Clock& clock_;
  double load_ms_ = 0;
  int64_t resident_before_ = 0;
  std::unique_ptr<calib::Artifact> artifact_;
  std::unique_ptr<calib::Session> session_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> queue_;        // under mutex_, as is:
  bool busy_ = false;
  std::jthread worker_;          // the last member: ends before what it uses
};

}  // namespace hasten::load
