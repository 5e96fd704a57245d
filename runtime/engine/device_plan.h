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
#include "runtime/kernels/sample/contract.h"

namespace hasten {

struct DevicePlan {
  struct Part {
    uint64_t at = 0, bytes = 0;     // of the block
  };
  Part arena, scratch;
  Part staging;                     // a step's tokens and pages
  Part sampling;                    // what choosing tokens reads and gives
  std::vector<Part> rows;           // by output: rows that a call of several steps keeps
  uint64_t block_bytes = 0;         // all of these
  uint64_t rope_bytes = 0;          // tables that the model does not hold yet
  uint64_t cache_bytes = 0;         // with the spare block
  int64_t cache_blocks = 0;
  int64_t positions = 0;            // that a sequence can have
  int64_t most_keys = 0;            // that attention is sized for
  int64_t sampled_rows = 0;         // that are chosen from at once
};

// Where the parts of one call that chooses tokens are: parameters of each row, the tokens
// that penalties apply to, the chosen tokens.
struct SamplingLayout {
  uint64_t recent, tokens, bytes;
  constexpr SamplingLayout(uint64_t rows, uint64_t recents)
      : recent(AlignUp(rows * sizeof(SampleRow))), tokens(AlignUp(recent + recents * sizeof(int32_t))), bytes(tokens + rows * sizeof(int32_t)) {}

 private:
  static constexpr uint64_t AlignUp(uint64_t bytes) { return (bytes + 255) / 256 * 256; }
};

// The same as arrays, in the host's memory or the device's.
struct SamplingArrays {
  SampleRow* params;
  int32_t *recent, *tokens;
  SamplingArrays(std::byte* base, const SamplingLayout& l)
      : params(reinterpret_cast<SampleRow*>(base)), recent(reinterpret_cast<int32_t*>(base + l.recent)), tokens(reinterpret_cast<int32_t*>(base + l.tokens)) {}
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
