// rope(x [B,S,heads*head_dim], positions i64[B,S], inv_freq [R/2]) {heads,
// head_dim, rotary_dim = R, interleaved, scale}: the first R values of each head
// rotated by positions * inv_freq, pairs (i, i + R/2), interleaved (2i, 2i + 1).
// attention(q, k, v[, past_k, past_v]) {heads, kv_heads, head_dim, v_head_dim,
// scale, causal, window, ahead, softcap, slopes}: past and present are
// [B,kv_heads,T,D]; key j of T = P + S is visible to row s (position p = P + s) when
// !causal or j <= p, when !window or j > p - window, and when !ahead or j < p + ahead;
// scores are softcap * tanh(score / softcap); with slopes (ALiBi: Press et al. 2022,
// section 3) head h then adds -slopes[h] * |p - j|.
#include <algorithm>
#include <cmath>
#include <vector>

#include "compiler/interp/fast_math.h"
#include "compiler/interp/gemm.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/semantic.h"

namespace hasten::interp {

Status EvalRope(EvalContext& c) {
  HST_RETURN_IF_ERROR(NeedRows(c, 0));
  const Tensor& x = c.In(0);
  const int64_t heads = c.node.Int("heads", 0), d = c.node.Int("head_dim", 0), r = c.node.Int("rotary_dim", 0);
  if (heads < 1 || d < 1 || r < 2 || r % 2 || r > d || heads > x.dim(2) || x.dim(2) != heads * d)
    return c.Error(x.dim(2), " columns as ", heads, " heads of ", d, " with ", r, " rotated");
  HST_RETURN_IF_ERROR(c.NeedType(1, DType::kI64));
  HST_RETURN_IF_ERROR(c.NeedType(2, DType::kF32));
  HST_RETURN_IF_ERROR(c.NeedDims(1, {x.dim(0), x.dim(1)}));
  HST_RETURN_IF_ERROR(c.NeedDims(2, {r / 2}));
  const bool interleaved = c.node.Int("interleaved", 0) != 0;
  const float scale = static_cast<float>(c.node.Float("scale", 1.0));
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kF32, x.dims()));
  const int64_t half = r / 2;
  c.Parallel(x.dim(0) * x.dim(1), x.dim(2) * 4, [&](int64_t begin, int64_t end) {
    std::vector<float> cosine(static_cast<size_t>(half)), sine(cosine.size());
    for (int64_t row = begin; row < end; ++row) {
      const double position = static_cast<double>(c.In(1).data<int64_t>()[row]);
      for (int64_t i = 0; i < half; ++i) {
        const double angle = position * static_cast<double>(c.In(2).data<float>()[i]);
        cosine[static_cast<size_t>(i)] = static_cast<float>(std::cos(angle)) * scale;
        sine[static_cast<size_t>(i)] = static_cast<float>(std::sin(angle)) * scale;
      }
      for (int64_t h = 0; h < heads; ++h) {
        const float* from = x.data<float>() + row * x.dim(2) + h * d;
        float* to = o.mutable_data<float>() + row * x.dim(2) + h * d;
        for (int64_t i = 0; i < half; ++i) {
          const int64_t i0 = interleaved ? 2 * i : i, i1 = interleaved ? 2 * i + 1 : i + half;
          const float cs = cosine[static_cast<size_t>(i)], sn = sine[static_cast<size_t>(i)];
          to[i0] = from[i0] * cs - from[i1] * sn;
          to[i1] = from[i1] * cs + from[i0] * sn;
        }
        std::copy(from + r, from + d, to + r);
      }
    }
  });
  c.out[0] = std::move(o);
  return {};
}

namespace {

struct Shape {
  int64_t batch, rows, past, heads, kv_heads, dk, dv;
  int64_t keys() const { return past + rows; }
};

Result<Shape> CheckAttention(EvalContext& c) {
  for (size_t i = 0; i < 3; ++i) HST_RETURN_IF_ERROR(NeedRows(c, i));
  Shape s{c.In(0).dim(0), c.In(0).dim(1), 0, c.node.Int("heads", 0), c.node.Int("kv_heads", 0), c.node.Int("head_dim", 0), 0};
  s.dv = c.node.Int("v_head_dim", s.dk);
  constexpr int64_t kMost = int64_t{1} << 20;
  for (int64_t v : {s.heads, s.kv_heads, s.dk, s.dv})
    if (v < 1 || v > kMost) return c.Error("heads, kv_heads, head_dim and v_head_dim are ", s.heads, ", ", s.kv_heads, ", ", s.dk, ", ", s.dv);
  if (s.heads % s.kv_heads) return c.Error(s.heads, " heads on ", s.kv_heads, " KV heads");
  HST_RETURN_IF_ERROR(c.NeedDims(0, {s.batch, s.rows, s.heads * s.dk}));
  HST_RETURN_IF_ERROR(c.NeedDims(1, {s.batch, s.rows, s.kv_heads * s.dk}));
  HST_RETURN_IF_ERROR(c.NeedDims(2, {s.batch, s.rows, s.kv_heads * s.dv}));
  if (c.Has(3) != c.Has(4)) return c.Error("needs both past operands or none");
  if (c.Has(3)) {
    HST_RETURN_IF_ERROR(c.NeedRank(3, 4));
    s.past = c.In(3).dim(2);
    HST_RETURN_IF_ERROR(c.NeedDims(3, {s.batch, s.kv_heads, s.past, s.dk}));
    HST_RETURN_IF_ERROR(c.NeedDims(4, {s.batch, s.kv_heads, s.past, s.dv}));
    HST_RETURN_IF_ERROR(c.NeedType(3, DType::kF32));
    HST_RETURN_IF_ERROR(c.NeedType(4, DType::kF32));
  }
  return s;
}

// past [B,H,P,D] and then the rows of fresh [B,S,H*D], as [B,H,P+S,D].
Result<Tensor> Append(EvalContext& c, const Shape& s, const Tensor* past, const Tensor& fresh, int64_t d) {
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kF32, {s.batch, s.kv_heads, s.keys(), d}));
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.kv_heads; ++h) {
      float* to = o.mutable_data<float>() + (b * s.kv_heads + h) * s.keys() * d;
      if (past) to = std::copy_n(past->data<float>() + (b * s.kv_heads + h) * s.past * d, s.past * d, to);
      for (int64_t r = 0; r < s.rows; ++r) to = std::copy_n(fresh.data<float>() + ((b * s.rows + r) * s.kv_heads + h) * d, d, to);
    }
  return o;
}

struct Masking {
  float scale, softcap;
  bool causal;
  int64_t window, ahead;
};

// Scores of one row over keys [0, n) to probabilities; invisible keys get 0.
void SoftmaxRow(float* p, int64_t n, int64_t position, float slope, const Masking& m) {
  const int64_t end = m.causal ? std::min(n, position + 1) : m.ahead > 0 ? std::min(n - position, m.ahead) + position : n;
  const int64_t begin = m.window > 0 ? std::clamp<int64_t>(position - m.window + 1, 0, end) : 0;
  float top = -INFINITY;
  for (int64_t j = begin; j < end; ++j) p[j] *= m.scale;
  for (int64_t j = begin; j < end && m.softcap != 0; ++j) p[j] = m.softcap * std::tanh(p[j] / m.softcap);
  for (int64_t j = begin; j < end && slope != 0; ++j) p[j] -= slope * static_cast<float>(std::abs(position - j));
  for (int64_t j = begin; j < end; ++j) top = std::max(top, p[j]);
  for (int64_t j = begin; j < end; ++j) p[j] = FastExp(p[j] - top);
  double sum = 0;
  for (int64_t j = begin; j < end; ++j) sum += static_cast<double>(p[j]);
  const float inverse = static_cast<float>(1 / sum);
  for (int64_t j = begin; j < end; ++j) p[j] *= inverse;
  std::fill(p, p + begin, 0.0f);
  std::fill(p + end, p + n, 0.0f);
}

}  // namespace

Status EvalAttention(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(const Shape s, CheckAttention(c));
  const Masking mask{static_cast<float>(c.node.Float("scale", 1.0)), static_cast<float>(c.node.Float("softcap", 0.0)),
                     c.node.Int("causal", 0) != 0, c.node.Int("window", 0), c.node.Int("ahead", 0)};
  const std::vector<double> slopes = c.node.Floats("slopes");
  if (!slopes.empty() && static_cast<int64_t>(slopes.size()) != s.heads) return c.Error(slopes.size(), " slopes for ", s.heads, " heads");
  HST_ASSIGN_OR_RETURN(Tensor keys, Append(c, s, c.Has(3) ? &c.In(3) : nullptr, c.In(1), s.dk));
  HST_ASSIGN_OR_RETURN(Tensor vals, Append(c, s, c.Has(4) ? &c.In(4) : nullptr, c.In(2), s.dv));
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kF32, {s.batch, s.rows, s.heads * s.dv}));
  HST_RETURN_IF_ERROR(c.SpendProduct({s.batch, s.heads, s.rows, s.keys(), s.dk + s.dv + static_cast<int64_t>(EvalContext::kElementSteps)}));
  constexpr int64_t kTile = 64;   // query rows scored at once
  const int64_t tiles = (s.rows + kTile - 1) / kTile, total = s.batch * s.heads * tiles;
  HST_ASSIGN_OR_RETURN(Tensor scratch, c.Make(DType::kF32, {c.pool.threads(), kTile, s.keys()}));
  const auto work = [&](int64_t begin, int64_t end, int thread) {
    float* p = scratch.mutable_data<float>() + thread * kTile * s.keys();
    for (int64_t t = begin; t < end; ++t) {
      const int64_t b = t / tiles / s.heads, h = t / tiles % s.heads, first = t % tiles * kTile;
      const int64_t rows = std::min(kTile, s.rows - first), kv = b * s.kv_heads + h / (s.heads / s.kv_heads);
      // No row of the tile sees keys behind its own last position.
      const int64_t n = mask.causal ? s.past + first + rows : s.keys();
      const float* q = c.In(0).data<float>() + ((b * s.rows + first) * s.heads + h) * s.dk;
      GemmSerial({q, keys.data<float>() + kv * s.keys() * s.dk, p, rows, n, s.dk, s.heads * s.dk, s.dk, n, false, true});
      const float slope = slopes.empty() ? 0.0f : static_cast<float>(slopes[static_cast<size_t>(h)]);
      for (int64_t r = 0; r < rows; ++r) SoftmaxRow(p + r * n, n, s.past + first + r, slope, mask);
      float* to = o.mutable_data<float>() + ((b * s.rows + first) * s.heads + h) * s.dv;
      GemmSerial({p, vals.data<float>() + kv * s.keys() * s.dv, to, rows, s.dv, n, n, s.dv, s.heads * s.dv, false, false});
    }
  };
  if (total > 0) c.pool.Run(total, 1, work);
  c.out[0] = std::move(o);
  if (c.OutputCount() > 1) c.out[1] = std::move(keys);
  if (c.OutputCount() > 2) c.out[2] = std::move(vals);
  return {};
}

}  // namespace hasten::interp
