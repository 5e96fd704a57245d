// The tables of a rotary embedding in element expressions: cosine and sine of
// position * frequency, computed in the graph or stored by the exporter.
#pragma once

#include <optional>
#include <vector>

#include "passes/recognize/expr.h"

namespace hasten::recognize {

// angle = position * inv_freq[i]; the table's values are scale * cos or sin of it.
struct Frequencies {
  std::vector<float> inv_freq;
  double scale = 1;
  double rounding = 0;   // of the 16-bit type that the table was stored in; 0: none
  friend bool operator==(const Frequencies&, const Frequencies&) = default;
};

enum class Wave { kNone, kCosine, kSine };

// Which table `e` reads. A stored one is told by its first row, where the angle is 0.
Wave WaveOf(const ExprPool& pool, E e, const ir::Poly& position);

// The frequencies of `cosine` and `sine`, functions of `position` and of i < count;
// nullopt unless every element of both is proved to be such a cosine or sine.
std::optional<Frequencies> ReadFrequencies(ExprPool& pool, E cosine, E sine, const ir::Poly& position,
                                           const ir::Poly& i, int64_t count);

}  // namespace hasten::recognize
