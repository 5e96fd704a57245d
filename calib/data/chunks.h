// A tokenised text cut into contiguous chunks of one length, the samples that
// evaluation scores.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::calib {

struct Chunks {
  int64_t context = 0;          // tokens in each
  int64_t count = 0;
  std::vector<int32_t> tokens;  // [count][context]

  std::span<const int32_t> At(int64_t i) const {
    return {tokens.data() + i * context, static_cast<size_t>(context)};
  }
  // Scored positions of a chunk: those of its second half that have a next token
  // in it. Position p predicts token p + 1.
  int64_t first_scored() const { return context / 2; }
  int64_t scored() const { return context - 1 - first_scored(); }
};

// The first `count` chunks (0: all whole ones); the rest of the text is left out.
// With `bos` every chunk's first token is replaced by it, as every sequence of
// such a model begins with it. kUsage for a context below 4, kBadInput when the
// text has not `count` chunks, or not one.
Result<Chunks> CutChunks(std::span<const int32_t> tokens, int64_t context, int64_t count, std::optional<int32_t> bos);

}  // namespace hasten::calib
