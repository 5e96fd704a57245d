// Sends requests at their intended times and keeps when what came back. Open loop:
// a request is sent whether or not the engine is busy, and all times count from the
// intended send, so that a stalled engine (or generator) cannot hide its queue.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "calib/load/engine.h"

namespace hasten::load {

// One measured request; milliseconds. Of one that failed, nothing but the first four hold.
struct Record {
  int64_t prompt_tokens = 0;
  double at_s = 0, lag_ms = 0;        // intended send; how much later it was sent
  std::string error;                  // empty: it was answered in full and in time
  double queue_ms = 0, prefill_ms = 0, ttft_ms = 0, e2e_ms = 0;
  double tpot_ms = 0;                 // (e2e - ttft) / (tokens - 1); 0 for one token
  std::vector<double> itl_ms;         // raw gaps between tokens
  double end_s = 0;                   // from the beginning
};

struct Run {
  std::vector<Record> records;        // in order of arrival
  double begin_s = 0, end_s = 0;      // of the measured part: first intended send to last answer
  double busy_s = 0;                  // of it, with at least one request being worked on
};

struct GenerateOptions {
  double timeout_s = 60;                         // from the intended send; a later end is a failure
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(int64_t sent)> progress;    // called between sends, may be empty
};

// Requests of one block against one engine. kCancelled when *cancel becomes true.
Result<Run> Generate(std::span<const Request> requests, Engine& engine, Clock& clock, const GenerateOptions& options);

}  // namespace hasten::load
