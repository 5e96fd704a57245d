// What becomes of a score before the softmax, for the scalar reference and devices.
#pragma once

#include "runtime/kernels/attention/contract.h"
#include "runtime/kernels/math.h"

namespace hasten {

// Soft cap and ALiBi, whose slope is the head's.
HST_MATH float ShapedScore(const AttentionShape& s, float slope, float score, int64_t position, int64_t key) {
  if (s.softcap != 0) score = s.softcap * Tanh(score / s.softcap);
  if (!s.slopes) return score;
  const int64_t distance = key > position ? key - position : position - key;
  return Fma(-slope, static_cast<float>(distance), score);
}

}  // namespace hasten
