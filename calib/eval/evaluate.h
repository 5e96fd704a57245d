// Evaluation of an artifact against the model it was made from: both score the
// same text, token by token. The candidate runs as it would be served, through
// the C interface and its own packed configuration; the reference is interpreted.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "calib/metrics/metric.h"
#include "runtime/base/status.h"

namespace hasten::calib {

struct EvalOptions {
  std::string reference;      // a folder or an .onnx file
  std::string candidate;      // an artifact
  std::string text;           // a file
  int64_t context = 512;      // tokens a chunk
  int64_t chunks = 0;         // 0: all whole ones of the text
  int threads = 1;
  std::function<void(int64_t done, int64_t total)> progress;  // chunks; may be null
  const std::atomic<bool>* cancel = nullptr;
};

struct EvalReport {
  std::vector<TokenScore> scores;   // of every scored position, in order
  int64_t chunks = 0;
  // What each model evaluated, scored or not, and the time it took by the clock.
  struct Speed {
    int64_t tokens = 0;
    double seconds = 0;
    double TokensPerSecond() const { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }
  };
  Speed reference, candidate;
};

// Scores the second half of each chunk (calib/data/chunks.h). The candidate's
// tokenizer makes the tokens. Memory: the logits of one chunk, once.
// kBadInput when the vocabularies differ or the text is too short.
Result<EvalReport> Evaluate(const EvalOptions& options);

}  // namespace hasten::calib
