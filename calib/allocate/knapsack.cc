#include "calib/allocate/knapsack.h"

#include <algorithm>
#include <limits>

namespace hasten::calib {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();
constexpr uint64_t kCells = 1 << 16;

uint64_t CellsOf(uint64_t bytes, uint64_t cell) { return (bytes + cell - 1) / cell; }

}  // namespace

uint64_t LeastBytes(std::span<const Item> items) {
  uint64_t sum = 0;
  for (const Item& item : items) sum += item.choices[0].bytes;   // they are sorted
  return sum;
}

uint64_t BytesOf(std::span<const Item> items, std::span<const size_t> chosen) {
  uint64_t sum = 0;
  for (size_t i = 0; i < items.size(); ++i) sum += items[i].choices[chosen[i]].bytes;
  return sum;
}

double PredictedKld(std::span<const Item> items, std::span<const size_t> chosen) {
  double sum = 0;
  for (size_t i = 0; i < items.size(); ++i) sum += items[i].choices[chosen[i]].kld;
  return sum;
}

std::optional<std::vector<size_t>> Knapsack(std::span<const Item> items, uint64_t bytes) {
  if (LeastBytes(items) > bytes) return std::nullopt;
  const uint64_t cell = std::max<uint64_t>(1, CellsOf(bytes, kCells));
  const size_t cells = static_cast<size_t>(bytes / cell);
  // best[c]: the least divergence of the items so far within c cells.
  std::vector<double> best(cells + 1, 0.0), next(cells + 1);
  std::vector<std::vector<uint8_t>> taken(items.size(), std::vector<uint8_t>(cells + 1));
  for (size_t i = 0; i < items.size(); ++i) {
    std::fill(next.begin(), next.end(), kNone);
    for (size_t j = 0; j < items[i].choices.size(); ++j) {
      const Choice& choice = items[i].choices[j];
      for (size_t c = static_cast<size_t>(CellsOf(choice.bytes, cell)), from = 0; c <= cells; ++c, ++from) {
        if (!(best[from] + choice.kld < next[c])) continue;
        next[c] = best[from] + choice.kld;
        taken[i][c] = static_cast<uint8_t>(j);
      }
    }
    best.swap(next);
  }
  std::vector<size_t> chosen(items.size(), 0);
  if (best[cells] == kNone) return chosen;   // the smallest fit, were it not for the rounding to cells
  for (size_t i = items.size(), c = cells; i-- > 0;) {
    chosen[i] = taken[i][c];
    c -= static_cast<size_t>(CellsOf(items[i].choices[chosen[i]].bytes, cell));
  }
  return chosen;
}

}  // namespace hasten::calib
