#include "calib/equalize/change.h"

#include <algorithm>
#include <cmath>

namespace hasten::calib {
namespace {

void Reorder(const std::vector<int32_t>& from, int64_t channels, float* x, std::vector<float>& scratch) {
  if (from.empty()) return;
  scratch.assign(x, x + channels);
  for (int64_t i = 0; i < channels; ++i) x[i] = scratch[static_cast<size_t>(from[static_cast<size_t>(i)])];
}

}  // namespace

void Apply(const Change& change, int64_t channels, float* x, std::vector<float>& scratch) {
  Reorder(change.from, channels, x, scratch);
  for (size_t i = 0; i < change.scale.size(); ++i) x[i] *= change.scale[i];
  if (change.block) Hadamard(channels, change.block, x);
}

void Undo(const Change& change, int64_t channels, float* w, std::vector<float>& scratch) {
  Reorder(change.from, channels, w, scratch);
  for (size_t i = 0; i < change.scale.size(); ++i) w[i] /= change.scale[i];
  if (change.block) Hadamard(channels, change.block, w);   // its own inverse and transpose
}

void Hadamard(int64_t channels, int64_t block, float* x) {
  const float norm = 1.0f / std::sqrt(static_cast<float>(block));
  for (float* b = x; b < x + channels; b += block) {
    for (int64_t half = 1; half < block; half *= 2)
      for (int64_t i = 0; i < block; ++i) {
        if (i & half) continue;
        const float u = b[i], v = b[i + half];
        b[i] = u + v, b[i + half] = u - v;
      }
    for (int64_t i = 0; i < block; ++i) b[i] *= norm;
  }
}

Change ForQueryHeads(const Change& change, int64_t kv_heads, int64_t heads, int64_t head_dim) {
  Change wide;
  wide.block = change.block;
  const int64_t shared = heads / kv_heads;
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t d = 0; d < head_dim; ++d) {
      const int64_t kv = h / shared * head_dim, at = kv + d;
      if (!change.from.empty()) wide.from.push_back(static_cast<int32_t>(change.from[static_cast<size_t>(at)] - kv + h * head_dim));
      if (!change.scale.empty()) wide.scale.push_back(change.scale[static_cast<size_t>(at)]);
    }
  return wide;
}

}  // namespace hasten::calib
