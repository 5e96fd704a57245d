// The definition of attention over a float cache, for one query row and head (INT8:
// ref_i8.h); every operation is fp32 and rounded once.
//
// Visible keys: [max(0, position - window + 1), position + 1); where not causal, up
// to position + ahead or, with no such limit, to the sequence's end. Splits are the
// aligned runs of 256 keys; one without a visible key is skipped. In a split, over its
// visible keys in order:
//   score  (fma chain over d = 0, 1, ..., from +0) * scale
//          with a soft cap: cap * tanh(score / cap)
//          with slopes (ALiBi): fma(-slope of the head, float(|key - position|), score)
//   m      the largest score (a NaN never is); p = exp(score - m)
//   l      16 lanes, lane[key % 16] += p, halved as a tree (+8, +4, +2, +1)
//   acc    acc = fma(p, v, acc), key by key
// Splits in order: the first sets M = m, L = l, O = acc; each further one
//   M' = max(M, m), a = exp(M - M'), b = exp(m - M'),
//   L = fma(l, b, L * a), O = fma(acc, b, O * a), M = M'.
// The result is O * (1 / L); zero without any visible key.
#include "runtime/base/half.h"
#include "runtime/kernels/attention/ref_i8.h"
#include "runtime/kernels/attention/rows.h"

namespace hasten {
namespace {

// What a row works on; all arrays in the thread's scratch.
struct Work {
  float* p;      // [256] scores, then probabilities
  int8_t* q8;    // [head_dim]
  float* acc;    // [v_head_dim]
  float* sum;    // [v_head_dim], O
};

size_t Scratch(const AttentionArgs& a) {
  return static_cast<size_t>(kSplitKeys * 4 + RoundUp(a.shape.head_dim, 64) + 2 * RoundUp(a.shape.v_head_dim, 16) * 4);
}

Work WorkIn(const AttentionShape& s, std::byte* scratch) {
  Work w;
  w.p = reinterpret_cast<float*>(scratch);
  w.q8 = reinterpret_cast<int8_t*>(scratch + kSplitKeys * 4);
  w.acc = reinterpret_cast<float*>(scratch + kSplitKeys * 4 + RoundUp(s.head_dim, 64));
  w.sum = w.acc + RoundUp(s.v_head_dim, 16);
  return w;
}

float DotF16(const Query& r, const uint16_t* k, int64_t slot) {
  float dot = 0;
  for (int64_t d = 0; d < r.s.head_dim; ++d) dot = Fma(r.q[d], HalfToFloat(k[KeyIndex(d, slot)]), dot);
  return dot;
}

float DotF32(const Query& r, const float* k, int64_t slot) {
  float dot = 0;
  for (int64_t d = 0; d < r.s.head_dim; ++d) dot = Fma(r.q[d], k[KeyIndex(d, slot)], dot);
  return dot;
}

float Score(const Query& r, int64_t key) {
  const PageHead<const std::byte> p = r.Page(key);
  const int64_t slot = key % kKvPageTokens;
  const float dot = r.s.kv == KvType::kF16 ? DotF16(r, reinterpret_cast<const uint16_t*>(p.k), slot)
                                           : DotF32(r, reinterpret_cast<const float*>(p.k), slot);
  return r.ShapeScore(dot * r.s.scale, key);
}

// acc += p * V[key].
void AddKey(const Query& r, float p, int64_t key, float* acc) {
  const std::byte* v = r.Page(key).v;
  for (int64_t d = 0; d < r.s.v_head_dim; ++d) {
    const int64_t i = ValueIndex(r.l, d, key % kKvPageTokens);
    const float x = r.s.kv == KvType::kF16 ? HalfToFloat(reinterpret_cast<const uint16_t*>(v)[i])
                                           : reinterpret_cast<const float*>(v)[i];
    acc[d] = Fma(p, x, acc[d]);
  }
}

// One split's maximum, denominator and weighted values (in w.acc).
struct Split {
  float max, sum;
};
Split RunSplit(const Query& r, const Work& w, int64_t begin, int64_t end) {
  Split split = {-kInf, 0};
  for (int64_t k = begin; k < end; ++k) {
    w.p[k - begin] = Score(r, k);
    if (w.p[k - begin] > split.max) split.max = w.p[k - begin];
  }
  float lane[16] = {};
  for (int64_t k = begin; k < end; ++k) {
    w.p[k - begin] = Exp(w.p[k - begin] - split.max);
    lane[k % 16] += w.p[k - begin];
  }
  split.sum = TreeSum16(lane);
  for (int64_t d = 0; d < r.s.v_head_dim; ++d) w.acc[d] = 0;
  for (int64_t k = begin; k < end; ++k) AddKey(r, w.p[k - begin], k, w.acc);
  return split;
}

void AttendRow(const Query& r, const Work& w, float* out) {
  const KeyRange visible = VisibleKeys(r.s, r.sequence, r.position);
  float max = 0, sum = 0;
  bool any = false;
  for (int64_t k = visible.begin; k < visible.end;) {
    const int64_t split_end = (k / kSplitKeys + 1) * kSplitKeys, stop = split_end < visible.end ? split_end : visible.end;
    const Split split = RunSplit(r, w, k, stop);
    if (!any) {
      max = split.max;
      sum = split.sum;
      for (int64_t d = 0; d < r.s.v_head_dim; ++d) w.sum[d] = w.acc[d];
    } else {
      const float top = split.max > max ? split.max : max;
      const float old = Exp(max - top), fresh = Exp(split.max - top);
      sum = Fma(split.sum, fresh, sum * old);
      for (int64_t d = 0; d < r.s.v_head_dim; ++d) w.sum[d] = Fma(w.acc[d], fresh, w.sum[d] * old);
      max = top;
    }
    any = true;
    k = stop;
  }
  const float inverse = 1.0f / sum;
  for (int64_t d = 0; d < r.s.v_head_dim; ++d) out[d] = any ? w.sum[d] * inverse : 0.0f;
}

void RunTile(const AttentionArgs& a, const KvLayout& l, const Work& w, const AttentionTile& t) {
  const AttentionShape& s = a.shape;
  const int64_t group = s.heads / s.kv_heads;
  for (int64_t i = t.first; i < t.first + t.rows; ++i) {
    const int64_t row = t.sequence->row + i;
    for (int64_t h = t.kv_head * group; h < (t.kv_head + t.kv_heads) * group; ++h) {
      const Query r{s, l, *t.sequence, h / group, t.sequence->past + i, s.slopes ? s.slopes[h] : 0.0f, a.q + row * a.q_stride + h * s.head_dim};
      float* out = a.out + row * a.out_stride + h * s.v_head_dim;
      if (s.kv == KvType::kI8) {
        AttendRowI8(r, w.q8, w.acc, out);
      } else {
        AttendRow(r, w, out);
      }
    }
  }
}

void Run(const AttentionArgs& a, int64_t begin, int64_t end, std::byte* scratch) {
  if (begin >= end) return;
  const KvLayout l = LayoutOf(a.shape);
  const Work w = WorkIn(a.shape, scratch);
  TileCursor<> cursor(a, begin);
  for (int64_t t = begin; t < end; ++t) RunTile(a, l, w, cursor.Next());
}

}  // namespace

const Kernel<AttentionArgs> kAttentionRef = {"attention_scalar", Isa::kScalar, nullptr, AttentionTiles, Scratch, Run};

}  // namespace hasten
