// (temporary)
#pragma once
#include <algorithm>
#include <span>
#include <vector>
#include "runtime/kernels/attention/contract.h"
namespace hasten {
inline constexpr int64_t kPagedTileRows = 16;
inline void PlanTiles(std::span<const PagedSequence> sequences, int64_t rows_per_tile, std::vector<PagedTile>& out) {
  out.clear();
  for (size_t s = 0; s < sequences.size(); ++s)
    for (int64_t r = 0; r < sequences[s].rows; r += rows_per_tile)
      out.push_back({static_cast<int32_t>(s), static_cast<int32_t>(r), static_cast<int32_t>(std::min<int64_t>(rows_per_tile, sequences[s].rows - r))});
}
}
