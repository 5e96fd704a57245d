#include "calib/data/chunks.h"

#include <algorithm>

namespace hasten::calib {
namespace {

// How many chunks each document gives.
std::vector<int64_t> Share(const std::vector<int64_t>& whole, int64_t count) {
  std::vector<int64_t> taken(whole.size(), 0);
  for (int64_t left = count; left > 0;) {
    std::vector<size_t> open;   // documents with a chunk to give in this round
    for (size_t d = 0; d < whole.size(); ++d) {
      if (taken[d] < whole[d]) open.push_back(d);
    }
    const int64_t round = std::min(left, static_cast<int64_t>(open.size()));
    for (int64_t i = 0; i < round; ++i) ++taken[open[static_cast<size_t>(i * static_cast<int64_t>(open.size()) / round)]];
    left -= round;
  }
  return taken;
}

}  // namespace

Result<Chunks> CutChunks(std::span<const std::vector<int32_t>> documents, int64_t context, int64_t count, std::optional<int32_t> bos) {
  if (context < 4) return UsageError("context: ", context, " tokens, at least 4 are needed to score one");
  if (count < 0) return UsageError("chunks: ", count, ", must not be negative");
  std::vector<int64_t> whole;
  int64_t all = 0, tokens = 0;
  for (const std::vector<int32_t>& document : documents) {
    whole.push_back(static_cast<int64_t>(document.size()) / context);
    all += whole.back();
    tokens += static_cast<int64_t>(document.size());
  }
  const int64_t needed = std::max<int64_t>(count, 1);
  if (all < needed) {
    return BadInput("the text has ", tokens, " tokens in ", documents.size(), " documents, ", all, " whole chunks of ", context,
                    " inside one of them; ", needed, " are asked for: give a longer text or a smaller --context or --chunks");
  }
  Chunks chunks;
  chunks.context = context;
  chunks.first_scored = context / 2;
  chunks.count = count == 0 ? all : count;
  const std::vector<int64_t> taken = Share(whole, chunks.count);
  for (size_t d = 0; d < documents.size(); ++d) {
    const auto begin = documents[d].begin();
    for (int64_t i = 0; i < taken[d]; ++i) {
      chunks.tokens.insert(chunks.tokens.end(), begin + i * context, begin + (i + 1) * context);
      if (bos) chunks.tokens[chunks.tokens.size() - static_cast<size_t>(context)] = *bos;
      chunks.document.push_back(static_cast<int32_t>(d));
    }
  }
  return chunks;
}

}  // namespace hasten::calib
