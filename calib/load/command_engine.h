// An engine that is another program: started with /bin/sh, asked in lines of JSON on
// its stdin, answering in lines on its stdout. So any engine can be the baseline,
// through a few lines of its own language. docs/cli.md has the protocol.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <sys/types.h>

#include "calib/load/engine.h"

namespace hasten::load {

class CommandEngine : public Engine {
 public:
  // Starts the command and waits for its "ready", at most `timeout_s`, which is also
  // the longest wait for a request. `clock` outlives the engine. kResource when the
  // command does not start, ends, or does not get ready.
  static Result<std::unique_ptr<CommandEngine>> Start(const std::string& command, double timeout_s, Clock& clock, const std::atomic<bool>* cancel);
  // Ends the command and what it started: it runs in a process group of its own.
  ~CommandEngine() override;

  void Submit(const Request& request, std::function<void(Outcome)> done) override;
  void Drain() override;
  // Of the command itself, not of processes it started.
  int64_t PeakBytes() override;
  double load_ms() const { return load_ms_; }

 private:
  struct Open {
    int64_t output_tokens = 0;
    double sent = 0;
    Outcome outcome;
    std::function<void(Outcome)> done;
  };
  CommandEngine(double timeout_s, Clock& clock, const std::atomic<bool>* cancel) : timeout_s_(timeout_s), clock_(clock), cancel_(cancel) {}
  Status Spawn(const std::string& command);
  Status AwaitReady();
  void Read(const std::stop_token& stop);
  void Line(const std::string& line);
  void Finish(int64_t id, std::string error);      // under mutex_
  void FailAll(const std::string& error);          // under mutex_

  double timeout_s_;
  Clock& clock_;
  const std::atomic<bool>* cancel_;
  double load_ms_ = 0;
  pid_t child_ = -1;
  int in_ = -1, out_ = -1;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int64_t, Open> open_;   // by id; under mutex_, as are:
  bool ready_ = false;
  std::string broken_;             // why nothing will come any more
  std::jthread reader_;
};

}  // namespace hasten::load
