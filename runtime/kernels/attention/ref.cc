// The definition of attention, for one query row and head; every operation is
// fp32 and rounded once unless it is an integer's.
//
// Visible keys: [max(0, position - window + 1), position + 1); where not causal, up
// to position + ahead or, with no such limit, to the sequence's end. Splits are the aligned runs of 256 keys; one without
// a visible key is skipped. In a split, over its visible keys in order:
//   score  INT8: float(q . k) * ((sq * scale) * sk), q quantized as in quant.h
//          else: (fma chain over d = 0, 1, ..., from +0) * scale
//          with a soft cap: cap * tanh(score / cap)
//          with slopes (ALiBi): fma(-slope of the head, float(|key - position|), score)
//   m      the largest score (a NaN never is); p = exp(score - m)
//   l      16 lanes, lane[key % 16] += p, halved as a tree (+8, +4, +2, +1)
//   acc    INT8, for each aligned block of 64 keys: w = p * sv, top = the largest w
//          (as bits: a NaN wins), skipped below 2^-100; u = rint(min(w * (255 / top),
//          255)), 0 for keys not visible; acc = fma(float(u . v), top / 255, acc)
//          else: acc = fma(p, v, acc), key by key
// Splits in order: the first sets M = m, L = l, O = acc; each further one
//   M' = max(M, m), a = exp(M - M'), b = exp(m - M'),
//   L = fma(l, b, L * a), O = fma(acc, b, O * a), M = M'.
// The result is O * (1 / L); zero without any visible key.
#include "runtime/base/half.h"
#include "runtime/kernels/attention/page.h"
#include "runtime/kernels/attention/quant.h"
#include "runtime/kernels/attention/rows.h"
#include "runtime/kernels/math.h"

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

// One query row and head with the head of the pages that it reads.
struct Query {
  const AttentionShape& s;
  const KvLayout& l;
  const SequenceView& sequence;
  int64_t kv_head;
  int64_t position;
  float slope;  // 0 without ALiBi
  const float* q;
  float q_scale = 0;

  PageHead<const std::byte> Page(int64_t key) const {
    return HeadOf<const std::byte>(l, sequence.pages[key / kKvPageTokens], kv_head);
  }
};

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

float DotI8(const Query& r, const Work& w, const std::byte* k, const float* k_scale, int64_t slot) {
  int32_t dot = 0;
  for (int64_t d = 0; d < r.s.head_dim; ++d) dot += w.q8[d] * (static_cast<int32_t>(k[KeyIndexI8(d, slot)]) - 128);
  return static_cast<float>(dot) * ((r.q_scale * r.s.scale) * k_scale[slot]);
}

float Score(const Query& r, const Work& w, int64_t key) {
  const PageHead<const std::byte> p = r.Page(key);
  const int64_t slot = key % kKvPageTokens;
  float score = 0;
  switch (r.s.kv) {
    case KvType::kI8: score = DotI8(r, w, p.k, reinterpret_cast<const float*>(p.scales), slot); break;
    case KvType::kF16: score = DotF16(r, reinterpret_cast<const uint16_t*>(p.k), slot) * r.s.scale; break;
    case KvType::kF32: score = DotF32(r, reinterpret_cast<const float*>(p.k), slot) * r.s.scale; break;
  }
  if (r.s.softcap != 0) score = r.s.softcap * Tanh(score / r.s.softcap);
  if (!r.s.slopes) return score;
  const int64_t distance = key > r.position ? key - r.position : r.position - key;
  return Fma(-r.slope, static_cast<float>(distance), score);
}

// acc += P V over the visible keys [begin, end) of one block, INT8; p[0] is key `begin`'s.
void AddBlockI8(const Query& r, const float* p, int64_t begin, int64_t end, float* acc) {
  const PageHead<const std::byte> page = r.Page(begin);
  const float* v_scale = reinterpret_cast<const float*>(page.scales) + kKvPageTokens;
  float weight[kBlockKeys];
  uint32_t top = 0;
  for (int64_t k = begin; k < end; ++k) {
    const float w = p[k - begin] * v_scale[k % kKvPageTokens];
    weight[k - begin] = w;
    if (Bits(w) > top) top = Bits(w);
  }
  if (top < kTinyBits) return;
  const float up = 255.0f / FromBits<float>(top), down = FromBits<float>(top) / 255.0f;
  int32_t u[kBlockKeys];
  for (int64_t i = 0; i < end - begin; ++i) {
    const float x = weight[i] * up;
    u[i] = NearestInt(x < 255.0f ? x : 255.0f);
  }
  for (int64_t d = 0; d < r.s.v_head_dim; ++d) {
    int32_t dot = 0;
    for (int64_t k = begin; k < end; ++k)
      dot += u[k - begin] * static_cast<int8_t>(page.v[ValueIndexI8(r.l, d, k % kKvPageTokens)]);
    acc[d] = Fma(static_cast<float>(dot), down, acc[d]);
  }
}

// acc += p * V[key], fp16 and fp32.
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
    w.p[k - begin] = Score(r, w, k);
    if (w.p[k - begin] > split.max) split.max = w.p[k - begin];
  }
  float lane[16] = {};
  for (int64_t k = begin; k < end; ++k) {
    w.p[k - begin] = Exp(w.p[k - begin] - split.max);
    lane[k % 16] += w.p[k - begin];
  }
  for (int half = 8; half >= 1; half /= 2)
    for (int j = 0; j < half; ++j) lane[j] += lane[j + half];
  split.sum = lane[0];
  for (int64_t d = 0; d < r.s.v_head_dim; ++d) w.acc[d] = 0;
  for (int64_t k = begin; k < end;) {
    if (r.s.kv != KvType::kI8) {
      AddKey(r, w.p[k - begin], k, w.acc);
      ++k;
      continue;
    }
    const int64_t block_end = (k / kBlockKeys + 1) * kBlockKeys, stop = block_end < end ? block_end : end;
    AddBlockI8(r, w.p + (k - begin), k, stop, w.acc);
    k = stop;
  }
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
    for (int64_t h = t.kv_head * group; h < (t.kv_head + 1) * group; ++h) {
      Query r{s, l, *t.sequence, t.kv_head, t.sequence->past + i, s.slopes ? s.slopes[h] : 0.0f, a.q + row * a.q_stride + h * s.head_dim};
      if (s.kv == KvType::kI8) {
        r.q_scale = ScaleOf(r.q, s.head_dim);
        for (int64_t d = 0; d < s.head_dim; ++d) w.q8[d] = static_cast<int8_t>(QuantizeToI8(r.q[d], r.q_scale));
      }
      AttendRow(r, w, a.out + row * a.out_stride + h * s.v_head_dim);
    }
  }
}

void Run(const AttentionArgs& a, int64_t begin, int64_t end, std::byte* scratch) {
  if (begin >= end) return;
  const KvLayout l = LayoutOf(a.shape);
  const Work w = WorkIn(a.shape, scratch);
  TileCursor cursor(a, begin);
  for (int64_t t = begin; t < end; ++t) RunTile(a, l, w, cursor.Next());
}

}  // namespace

const Kernel<AttentionArgs> kAttentionRef = {"attention_scalar", Isa::kScalar, nullptr, AttentionTiles, Scratch, Run};

}  // namespace hasten
