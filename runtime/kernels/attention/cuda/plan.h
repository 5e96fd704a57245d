// How a step's query rows become the tiles that attention on a device takes: rows of one
// sequence each. Made on the host once a step, for all layers; it does not depend on a
// layer's shape. Who computes what changes no bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/kernels/attention/contract.h"

namespace hasten::cuda {

// Enough rows for a block of the tensor-core kernel where each query head has its own KV
// head; where heads share one, a tile becomes several blocks.
inline constexpr int64_t kPagedTileRows = 64;

// Replaces `tiles` by those of all sequences' new rows. The ones with the most keys come
// first, so that no long one is left for the end.
inline void PlanTiles(std::span<const PagedSequence> sequences, int64_t rows_per_tile, std::vector<PagedTile>& tiles) {
  tiles.clear();
  const auto step = static_cast<int32_t>(rows_per_tile);
  for (size_t i = 0; i < sequences.size(); ++i)
    for (int32_t first = 0, rows = sequences[i].rows; first < rows; first += step)
      tiles.push_back({static_cast<int32_t>(i), first, std::min(step, rows - first)});
  const auto keys = [&](const PagedTile& t) { return int64_t{sequences[static_cast<size_t>(t.sequence)].past} + t.first + t.rows; };
  std::sort(tiles.begin(), tiles.end(), [&](const PagedTile& a, const PagedTile& b) {
    if (keys(a) != keys(b)) return keys(a) > keys(b);
    return a.sequence != b.sequence ? a.sequence < b.sequence : a.first < b.first;
  });
}

}  // namespace hasten::cuda
