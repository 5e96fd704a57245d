// A change of channels that costs nothing at run time: what makes the channels is
// changed, what reads them is changed back, and every result stays what it was.
//   x'_i = scale_i x_from(i), then blocks of x' turned by a Hadamard matrix.
#pragma once

#include <cstdint>
#include <vector>

namespace hasten::calib {

struct Change {
  std::vector<int32_t> from;    // of each channel, which one it was; empty: itself
  std::vector<float> scale;     // of each channel; empty: 1
  int64_t block = 0;            // channels of a Hadamard matrix, a power of two; 0: none

  bool empty() const { return from.empty() && scale.empty() && block == 0; }
};

// x: [channels], in place; `scratch` of any size.
void Apply(const Change& change, int64_t channels, float* x, std::vector<float>& scratch);
// w: [channels], the weights that meet x: w' x' = w x.
void Undo(const Change& change, int64_t channels, float* w, std::vector<float>& scratch);

// Blocks of `block` values by the orthogonal, symmetric Sylvester matrix, in place.
void Hadamard(int64_t channels, int64_t block, float* x);

// The channels of KV heads as the query heads read them: each head's repeated for
// every query head that shares it.
Change ForQueryHeads(const Change& change, int64_t kv_heads, int64_t heads, int64_t head_dim);

}  // namespace hasten::calib
