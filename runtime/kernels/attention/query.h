// One query row and head of the scalar reference, with the head of the pages that it
// reads.
#pragma once

#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/tile.h"
#include "runtime/kernels/math.h"

namespace hasten {
namespace {

struct Query {
  const AttentionShape& s;
  const KvLayout& l;
  const SequenceView& sequence;
  int64_t kv_head;
  int64_t position;
  float slope;  // 0 without ALiBi
  const float* q;

  PageHead<const std::byte> Page(int64_t key) const {
    return HeadOf<const std::byte>(l, sequence.pages[key / kKvPageTokens], kv_head);
  }
  bool Shaped() const { return s.softcap != 0 || s.slopes; }
  // Soft cap and ALiBi.
  float ShapeScore(float score, int64_t key) const {
    if (s.softcap != 0) score = s.softcap * Tanh(score / s.softcap);
    if (!s.slopes) return score;
    const int64_t distance = key > position ? key - position : position - key;
    return Fma(-slope, static_cast<float>(distance), score);
  }
};

// Halves 16 lanes as a tree.
inline float TreeSum16(float* lane) {
  for (int half = 8; half >= 1; half /= 2)
    for (int j = 0; j < half; ++j) lane[j] += lane[j + half];
  return lane[0];
}

}  // namespace
}  // namespace hasten
