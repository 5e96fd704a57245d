#include "calib/data/chunks.h"

#include <algorithm>

namespace hasten::calib {

Result<Chunks> CutChunks(std::span<const int32_t> tokens, int64_t context, int64_t count, std::optional<int32_t> bos) {
  if (context < 4) return UsageError("context: ", context, " tokens, at least 4 are needed to score one");
  if (count < 0) return UsageError("chunks: ", count, ", must not be negative");
  const int64_t whole = static_cast<int64_t>(tokens.size()) / context;
  if (whole < std::max<int64_t>(count, 1)) {
    return BadInput("the text has ", tokens.size(), " tokens, ", whole, " whole chunks of ", context, "; ",
                    std::max<int64_t>(count, 1), " are asked for: give a longer text or a smaller --context or --chunks");
  }
  Chunks chunks;
  chunks.context = context;
  chunks.count = count == 0 ? whole : count;
  chunks.tokens.assign(tokens.begin(), tokens.begin() + chunks.count * context);
  if (bos) {
    for (int64_t i = 0; i < chunks.count; ++i) chunks.tokens[static_cast<size_t>(i * context)] = *bos;
  }
  return chunks;
}

}  // namespace hasten::calib
