// How a model's authors want it to generate: what generation_config.json says,
// completed from config.json and the tokenizer's settings. These are defaults of
// the artifact; every request may override them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::calib {

struct GenerationDefaults {
  std::vector<int32_t> eos_ids;   // generation stops at any of them
  int32_t bos_id = -1, pad_id = -1;
  bool do_sample = false;
  float temperature = 1, top_p = 1, min_p = 0, repetition_penalty = 1;
  int32_t top_k = 0;
  uint64_t max_positions = 0;     // the model's context length; 0: not known
  std::string architecture;       // config.json's model_type, informative
};

// Either text may be empty (absent). kBadInput with file and key for text that is
// no JSON object, or a value of the wrong kind or range.
Result<GenerationDefaults> ReadGenerationDefaults(std::string_view generation_config, std::string_view config);

}  // namespace hasten::calib
