// The definition of attention over an INT8 cache, for one query row and head; every
// operation is fp32 and rounded once unless it is an integer's.
//
// Visible keys, splits of 256 and blocks of 64: as ref.cc says. c = sq * scale, q
// quantized as in quant.h. In a block, over its visible keys:
//   y      float(q . k) * sk;  factor = c * log2(e)
//          with a soft cap or slopes: y = the score that ref.cc makes of y * c, and
//          factor = log2(e)
//   e      BlockReference(the largest y (a NaN never is), factor)
//   p      Exp2Coarse(fma(y, factor, -e))
//   l      16 lanes: ((p[j] + p[j + 16]) + p[j + 32]) + p[j + 48]
//   w      p * sv, top = the largest w (as bits: a NaN wins), up and down =
//          ScaleOfWeights(top), u = rint(w * up), 0 for keys not visible
// A split begins with m = -inf, L = 0 (16 lanes), O = 0; blocks in order:
//   m', old, fresh = Join(m, e)
//   L = fma(l, fresh, L * old)     O = fma(float(sum u . v), down * fresh, O * old)
// Splits are joined in order in the same way, with l and the sum being the split's L
// and O, without `down`. The result is Normalized(O, 1 / L), L's lanes halved as a
// tree (+8, +4, +2, +1); zero without any visible key.
#pragma once

#include "runtime/kernels/attention/i8_numerics.h"
#include "runtime/kernels/attention/query.h"

namespace hasten {
namespace {

struct I8Sums {
  float reference = -kInf;
  float lanes[16] = {};
  float* values;  // [v_head_dim]

  I8Sums(float* memory, int64_t n) : values(memory) {
    for (int64_t d = 0; d < n; ++d) values[d] = 0;
  }
  // Joins with sums of reference e; value(d) is theirs.
  template <class Value>
  void Add(float e, const float* more, float down, int64_t n, const Value& value) {
    const Joined<float> j = Join(reference, e);
    reference = j.reference;
    for (int i = 0; i < 16; ++i) lanes[i] = Fma(more[i], j.fresh, lanes[i] * j.old);
    for (int64_t d = 0; d < n; ++d) values[d] = Fma(value(d), down * j.fresh, values[d] * j.old);
  }
};

// y of one key.
float ScoreI8(const Query& r, const int8_t* q8, float c, int64_t key) {
  const PageHead<const std::byte> page = r.Page(key);
  const int64_t slot = key % kKvPageTokens;
  int32_t dot = 0;
  for (int64_t d = 0; d < r.s.head_dim; ++d) dot += q8[d] * (static_cast<int32_t>(page.k[KeyIndexI8(d, slot)]) - 128);
  const float y = static_cast<float>(dot) * reinterpret_cast<const float*>(page.scales)[slot];
  return r.Shaped() ? r.ShapeScore(y * c, key) : y;
}

// Adds the visible keys [begin, end) of one block to a split's sums.
void AddBlockI8(const Query& r, const int8_t* q8, float c, int64_t begin, int64_t end, I8Sums& split) {
  const PageHead<const std::byte> page = r.Page(begin);
  const float* v_scale = reinterpret_cast<const float*>(page.scales) + kKvPageTokens;
  const float factor = r.Shaped() ? kLog2E : c * kLog2E;
  const int64_t first = begin % kBlockKeys, count = end - begin;
  float y[kBlockKeys], top_y = -kInf;
  for (int64_t i = 0; i < count; ++i) {
    y[i] = ScoreI8(r, q8, c, begin + i);
    top_y = Max(y[i], top_y);
  }
  const float e = BlockReference(top_y, factor);
  float lanes[16] = {}, w[kBlockKeys];
  uint32_t top = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float p = Exp2Coarse(Fma(y[i], factor, -e));
    lanes[(first + i) % 16] += p;
    w[i] = p * v_scale[first + i];
    if (Bits(w[i]) > top) top = Bits(w[i]);
  }
  const WeightScale<float> scale = ScaleOfWeights(FromBits<float>(top));
  int32_t u[kBlockKeys];
  for (int64_t i = 0; i < count; ++i) u[i] = NearestInt(w[i] * scale.up) & 255;  // & for a NaN's
  split.Add(e, lanes, scale.down, r.s.v_head_dim, [&](int64_t d) {
    int32_t dot = 0;
    for (int64_t i = 0; i < count; ++i) dot += u[i] * static_cast<int8_t>(page.v[ValueIndexI8(r.l, d, first + i)]);
    return static_cast<float>(dot);
  });
}

// One row's result. q8 holds head_dim values, `values` two times v_head_dim.
void AttendRowI8(const Query& r, int8_t* q8, float* values, float* out) {
  const int64_t n = r.s.v_head_dim;
  const float q_scale = ScaleOf(r.q, r.s.head_dim), c = q_scale * r.s.scale;
  for (int64_t d = 0; d < r.s.head_dim; ++d) q8[d] = static_cast<int8_t>(QuantizeToI8(r.q[d], q_scale));
  const KeyRange visible = VisibleKeys(r.s, r.sequence, r.position);
  I8Sums total(values, n);
  for (int64_t k = visible.begin; k < visible.end;) {
    const int64_t split_end = (k / kSplitKeys + 1) * kSplitKeys, stop = split_end < visible.end ? split_end : visible.end;
    I8Sums split(values + RoundUp(n, 16), n);
    while (k < stop) {
      const int64_t block_end = (k / kBlockKeys + 1) * kBlockKeys, end = block_end < stop ? block_end : stop;
      AddBlockI8(r, q8, c, k, end, split);
      k = end;
    }
    total.Add(split.reference, split.lanes, 1.0f, n, [&](int64_t d) { return split.values[d]; });
  }
  const float inverse = 1.0f / TreeSum16(total.lanes);
  for (int64_t d = 0; d < n; ++d) out[d] = visible.begin < visible.end ? Normalized(total.values[d], inverse) : 0.0f;
}

}  // namespace
}  // namespace hasten
