// One query row and head of the scalar reference, with the head of the pages that it
// reads.
#pragma once

#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/score.h"
#include "runtime/kernels/attention/tile.h"

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
  float ShapeScore(float score, int64_t key) const { return ShapedScore(s, slope, score, position, key); }
};

// Halves 16 lanes as a tree.
inline float TreeSum16(float* lane) {
  for (int half = 8; half >= 1; half /= 2)
    for (int j = 0; j < half; ++j) lane[j] += lane[j + half];
  return lane[0];
}

}  // namespace
}  // namespace hasten
