// The nearest of a few known names to a mistyped one, for error messages.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

namespace hasten::passes {

// By edit distance; the first of equals. "" when no name is within `most` edits.
inline std::string_view Nearest(std::string_view name, std::span<const std::string_view> known, size_t most = SIZE_MAX - 1) {
  name = name.substr(0, 64);  // the cost is quadratic and the name a stranger's
  std::string_view best;
  size_t best_distance = most + 1;
  for (std::string_view candidate : known) {
    std::vector<size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < name.size(); ++i) {
      size_t diagonal = row[0]++;
      for (size_t j = 0; j < candidate.size(); ++j) {
        const size_t up = row[j + 1];
        row[j + 1] = std::min({up + 1, row[j] + 1, diagonal + (name[i] != candidate[j])});
        diagonal = up;
      }
    }
    if (row.back() < best_distance) best_distance = row.back(), best = candidate;
  }
  return best;
}

}  // namespace hasten::passes
