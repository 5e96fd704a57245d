// Tokenised documents cut into chunks of one length, the samples that evaluation
// scores. Each lies inside one document, and they are spread over all documents that
// are long enough: errors of one document's positions hang together, so that many
// chunks of few documents say little.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::calib {

struct Chunks {
  int64_t context = 0;            // tokens in each
  int64_t count = 0;
  int64_t first_scored = 0;       // positions from here on that have a next token are scored
  std::vector<int32_t> tokens;    // [count][context]
  std::vector<int32_t> document;  // [count]: where each is from

  std::span<const int32_t> At(int64_t i) const {
    return {tokens.data() + i * context, static_cast<size_t>(context)};
  }
  // Scored positions of a chunk. Position p predicts token p + 1.
  int64_t scored() const { return context - 1 - first_scored; }
};

// `count` chunks (0: all that are whole), the second half of each scored: one of each
// document before a second of any, and of documents evenly spaced ones where they are
// more than `count`; in order of the text. With `bos` every chunk's first token is
// replaced by it, as every sequence of such a model begins with it. kUsage for a context
// below 4, kBadInput when the documents have not `count` chunks, or not one.
Result<Chunks> CutChunks(std::span<const std::vector<int32_t>> documents, int64_t context, int64_t count, std::optional<int32_t> bos);

}  // namespace hasten::calib
