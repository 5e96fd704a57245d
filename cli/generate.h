// Generation for `hasten run`: the loop over tokens, the rules for ending, and
// the stream of text. One sequence at a time; serving many is not its business.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calib/abi/artifact.h"

namespace hasten::cli {

struct GenerateOptions {
  int64_t max_tokens = 256;
  calib::Sampling sampling;
  std::vector<std::string> stops;
  bool text = true;                                  // false: the artifact has no tokenizer
  std::function<Status(std::string_view)> show;      // receives text as it becomes certain; may be null
  const std::atomic<bool>* cancel = nullptr;
};

struct Generated {
  std::vector<int32_t> tokens;     // without the end token
  std::string text;
  std::string finish_reason;       // "stop": end token or stop string; "length": max_tokens or context full
  double ttft_ms = 0;              // from the call to the first token
  double itl_ms = 0;               // mean time between tokens; 0 with less than two
};

// Evaluates the prompt (at least one token) in the session and generates after it.
Result<Generated> Generate(const calib::Artifact& artifact, calib::Session& session, std::span<const int32_t> prompt,
                           const GenerateOptions& options);

}  // namespace hasten::cli
