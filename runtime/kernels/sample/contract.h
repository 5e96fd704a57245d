// sample: argmax and random choice of the next token from one row of logits.
// Canonical on every backend: Philox4x32-10 (Salmon et al. 2011, "Parallel
// Random Numbers: As Easy as 1, 2, 3") keyed by the request's seed and the
// token's position; probabilities as u64 fixed point so that sums are
// associative; ties by the lowest token id.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/status.h"
#include "runtime/kernels/kernel.h"

namespace hasten {

// Lowest index among the largest values; NaN never wins. -1 for an empty or all-NaN row.
int32_t Argmax(std::span<const float> logits);

struct SampleOptions {
  float temperature = 1.0f;         // 0: argmax
  int32_t top_k = 0;                // 0: off
  float top_p = 1.0f;               // 1: off
  float min_p = 0.0f;               // 0: off
  float repetition_penalty = 1.0f;  // Keskar et al. 2019 (CTRL): divides positive, multiplies negative logits
  uint64_t seed = 0;
};

// kUsage when an option is out of its range (temperature < 0, top_p outside (0, 1], ...).
Status CheckSampleOptions(const SampleOptions& options);

// The token for `position` (its index in the sequence). `recent` are the tokens
// that the repetition penalty applies to (each once). `work` is caller-owned
// memory of SampleWorkBytes(logits.size()) bytes; logits are left as they were.
// kBadInput when a logit is NaN or every logit is -inf.
size_t SampleWorkBytes(size_t vocab);
Result<int32_t> Sample(std::span<const float> logits, std::span<const int32_t> recent, int64_t position,
                       const SampleOptions& options, std::span<std::byte> work);

// Sampling on a device, several rows at once; the arrays are in its memory. What Sample
// would have to report stands in place of the token.
struct SampleRow {
  SampleOptions options;          // checked
  int64_t position = 0;
  int32_t logits_row = 0;         // which row of `logits`
  int32_t first_recent = 0, recent_count = 0;   // of `recent`; each within the vocabulary
};
inline constexpr int32_t kTokenNaN = -1;    // a logit is NaN
inline constexpr int32_t kTokenNone = -2;   // every logit is -inf
struct SampleArgs {
  const float* logits = nullptr;  // [..][logits_stride]; left as they were
  int64_t logits_stride = 0, vocab = 0;
  const SampleRow* params = nullptr;   // [rows]
  const int32_t* recent = nullptr;
  int32_t* tokens = nullptr;      // [rows]
  int64_t rows = 0;
};

}  // namespace hasten
