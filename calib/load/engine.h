// What the load generator talks to. An engine queues what it is sent and answers in
// its own time, one sequence after another or in batches: the generator does not
// know. Times are seconds of the clock that the run uses.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "calib/load/workload.h"

namespace hasten::load {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual double Now() = 0;
  // Returns at `time` or soon after; at once when that is past.
  virtual void SleepUntil(double time) = 0;
};

// Seconds since it was made, of the steady clock.
class SteadyClock : public Clock {
 public:
  SteadyClock();
  double Now() override;
  void SleepUntil(double time) override;

 private:
  int64_t begin_ns_;
};

struct Outcome {
  std::string error;             // empty: answered in full
  double start = 0;              // work on the prompt began
  std::vector<double> tokens;    // when each token was there
  std::vector<int32_t> ids;      // which they were; empty where the engine does not say
};

class Engine {
 public:
  virtual ~Engine() = default;
  // Thread-safe; queues a copy of what it needs and returns at once. `done` is called exactly once, from
  // any thread, at the latest by Drain.
  virtual void Submit(const Request& request, std::function<void(Outcome)> done) = 0;
  // Waits until every request is answered or has failed.
  virtual void Drain() = 0;
  // Largest resident memory of what serves, since the engine was made; 0: not known.
  virtual int64_t PeakBytes() = 0;
};

}  // namespace hasten::load
