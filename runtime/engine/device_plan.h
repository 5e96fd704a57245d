// What a context takes of a device's memory, planned before any of it is allocated: one
// block for what every step needs, the RoPE tables as far as sequences can grow, and the KV
// cache. The block's parts are sized for the largest step, so that evaluating allocates
// nothing; only calls that keep more output rows than planned, or list shared cache blocks
// very often, ask for more.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/device/device.h"
#include "runtime/engine/model.h"

namespace hasten {

struct DevicePlan {
  struct Part {
    uint64_t at = 0, bytes = 0;     // of the block
  };
  Part arena, scratch;
  Part staging;                     // a step's tokens and pages
  Part sampling;                    // tokens of a repetition penalty
  std::vector<Part> rows;           // by output: rows that a call of several steps keeps
  uint64_t block_bytes = 0;         // all of these
  uint64_t rope_bytes = 0;          // tables that the model does not hold yet
  uint64_t cache_bytes = 0;         // with the spare block
  int64_t cache_blocks = 0;
  int64_t positions = 0;            // that a sequence can have
  int64_t most_keys = 0;            // that attention is sized for
};

// Where the parts of one choice of a token are: its parameters, the tokens that a penalty
// applies to, the token.
struct SamplingLayout {
  static constexpr uint64_t kRecent = 256;
  uint64_t token, bytes;
  explicit constexpr SamplingLayout(uint64_t recent) : token((kRecent + recent * sizeof(int32_t) + 255) / 256 * 256), bytes(token + sizeof(int32_t)) {}
};

struct DeviceDemand {
  int64_t max_rows = 0;
  int64_t kv_tokens = 0;            // 0: what is left of the device's limit, or where there is none:
  int64_t usual_kv_tokens = 0;
};

// kResource when it does not fit: what each part needs, what is there, and what to do.
Result<DevicePlan> PlanOnDevice(const Model& model, Queue& queue, const DeviceDemand& demand);

// Chooses tokens on the queue's device; null where no kernel takes the vocabulary.
const DeviceKernel<SampleArgs>* SamplerOf(const Model& model, const Queue& queue);

}  // namespace hasten
