// attention over one sequence without a past: probabilities are computed again from q
// and k, a tile of query rows at a time (as in Dao et al. 2022, FlashAttention,
// section 3.1, without its blocks of keys). With P = softmax(f(scale q k')), dP = dO V':
//   dV = P' dO,   dS = P (dP - sum(P dP)) f',   dQ = scale dS K,   dK = scale dS' Q,
// f' = 1 - tanh(s / cap)^2 of a soft cap. Each query head has its own dK and dV; heads
// that share keys are added up afterwards, in their order.
#include <algorithm>
#include <cmath>

#include "calib/grad/backward.h"
#include "compiler/interp/fast_math.h"
#include "compiler/interp/gemm.h"

namespace hasten::calib {
namespace {

using interp::GemmSerial;
constexpr int64_t kTile = 64;   // query rows at once

struct Shape {
  int64_t rows, heads, kv_heads, dk, dv, window, ahead;
  bool causal;
  float scale, softcap;
  int64_t Begin(int64_t p, int64_t end) const { return window > 0 ? std::clamp<int64_t>(p - window + 1, 0, end) : 0; }
  int64_t End(int64_t p) const { return causal ? p + 1 : ahead > 0 ? std::min(rows, p + ahead) : rows; }
};

// p: scores q k' of the row at position `at` over n keys, to probabilities; slope: f' of
// each, where there is a soft cap.
void Softmax(const Shape& s, int64_t at, int64_t n, float alibi, float* p, float* slope) {
  const int64_t end = std::min(n, s.End(at)), begin = s.Begin(at, end);
  float top = -INFINITY;
  double sum = 0;
  for (int64_t j = begin; j < end; ++j) {
    p[j] *= s.scale;
    if (s.softcap != 0) {
      const float t = std::tanh(p[j] / s.softcap);
      p[j] = s.softcap * t, slope[j] = 1 - t * t;
    }
    p[j] -= alibi * static_cast<float>(std::abs(at - j));
    top = std::max(top, p[j]);
  }
  for (int64_t j = begin; j < end; ++j) p[j] = interp::FastExp(p[j] - top), sum += static_cast<double>(p[j]);
  const float inverse = static_cast<float>(1 / sum);
  for (int64_t j = begin; j < end; ++j) p[j] *= inverse;
  std::fill(p, p + begin, 0.0f);
  std::fill(p + end, p + n, 0.0f);
}

// A thread's, made before the threads run, which must not throw.
struct Scratch {
  explicit Scratch(const Shape& s)
      : p(static_cast<size_t>(kTile * s.rows)), ds(p.size()), slope(s.softcap != 0 ? p.size() : 0),
        part(static_cast<size_t>(std::max(s.rows, kTile) * std::max(s.dk, s.dv))) {}
  std::vector<float> p, ds, slope, part;
};

// One head of one sequence. dk, dv: [rows][..] of this head alone, zeros; dq: where its
// columns begin, rows `stride` apart.
class Head {
 public:
  Head(const Shape& s, const float* q, const float* k, const float* v, const float* g, float alibi, Scratch& scratch)
      : s_(s), q_(q), k_(k), v_(v), g_(g), alibi_(alibi), p_(scratch.p), ds_(scratch.ds), slope_(scratch.slope), part_(scratch.part) {}

  void Run(float* dq, float* dk, float* dv) {
    for (int64_t first = 0; first < s_.rows; first += kTile) Tile(first, std::min(kTile, s_.rows - first), dq, dk, dv);
  }

 private:
  void Tile(int64_t first, int64_t rows, float* dq, float* dk, float* dv) {
    const int64_t n = s_.causal ? first + rows : s_.rows, qs = s_.heads * s_.dk, ks = s_.kv_heads * s_.dk;
    const int64_t gs = s_.heads * s_.dv, vs = s_.kv_heads * s_.dv;
    const float *q = q_ + first * qs, *g = g_ + first * gs;
    GemmSerial({q, k_, p_.data(), rows, n, s_.dk, qs, ks, n, false, true});
    for (int64_t r = 0; r < rows; ++r) Softmax(s_, first + r, n, alibi_, p_.data() + r * n, slope_.data() + (slope_.empty() ? 0 : r * n));
    GemmSerial({g, v_, ds_.data(), rows, n, s_.dv, gs, vs, n, false, true});
    for (int64_t r = 0; r < rows; ++r) Scores(r * n, n);
    Add({p_.data(), g, part_.data(), n, s_.dv, rows, n, gs, s_.dv, true, false}, dv, s_.dv);
    Add({ds_.data(), q, part_.data(), n, s_.dk, rows, n, qs, s_.dk, true, false}, dk, s_.dk);
    Add({ds_.data(), k_, part_.data(), rows, s_.dk, n, n, ks, s_.dk, false, false}, dq + first * qs, qs);
  }

  // dP to dS, times what a score is of q k'.
  void Scores(int64_t at, int64_t n) {
    double along = 0;
    for (int64_t j = 0; j < n; ++j) along += static_cast<double>(p_[Index(at + j)]) * static_cast<double>(ds_[Index(at + j)]);
    const float mean = static_cast<float>(along);
    for (int64_t j = 0; j < n; ++j) {
      const size_t i = Index(at + j);
      ds_[i] = p_[i] == 0 ? 0.0f : p_[i] * (ds_[i] - mean) * s_.scale * (slope_.empty() ? 1.0f : slope_[i]);
    }
  }

  static size_t Index(int64_t i) { return static_cast<size_t>(i); }

  static void Add(const interp::GemmArgs& product, float* to, int64_t stride) {
    GemmSerial(product);
    for (int64_t r = 0; r < product.m; ++r)
      for (int64_t c = 0; c < product.n; ++c) to[r * stride + c] += product.c[r * product.ldc + c];
  }

  const Shape& s_;
  const float *q_, *k_, *v_, *g_;
  float alibi_;
  std::vector<float> &p_, &ds_, &slope_, &part_;
};

// to [rows][kv_heads][n] += from [heads][rows][n].
void SumHeads(const Shape& s, int64_t n, const std::vector<float>& from, float* to, ThreadPool& pool) {
  const int64_t share = s.heads / s.kv_heads;
  pool.Run(s.rows, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r)
      for (int64_t h = 0; h < s.heads; ++h)
        for (int64_t i = 0; i < n; ++i)
          to[(r * s.kv_heads + h / share) * n + i] += from[static_cast<size_t>((h * s.rows + r) * n + i)];
  });
}

}  // namespace

Status BackwardAttention(const BackwardArgs& a) {
  for (size_t i = 3; i < a.in.size(); ++i)
    if (a.in[i].valid() && a.in[i].elements() > 0) return a.Error("after a past");
  const ir::Node& node = a.node;
  const Shape s{a.in[0].dim(1), node.Int("heads", 0), node.Int("kv_heads", 0), node.Int("head_dim", 0), node.Int("v_head_dim", 0),
                node.Int("window", 0), node.Int("ahead", 0), node.Int("causal", 0) != 0,
                static_cast<float>(node.Float("scale", 1.0)), static_cast<float>(node.Float("softcap", 0.0))};
  const std::vector<double> slopes = node.Floats("slopes");
  std::vector<Scratch> scratch(static_cast<size_t>(a.pool.threads()), Scratch(s));
  std::vector<float> dk, dv, spare(a.d[0] ? 0 : static_cast<size_t>(s.rows * s.heads * s.dk));
  for (int64_t b = 0; b < a.in[0].dim(0); ++b) {
    const auto of = [&](size_t i, int64_t columns) { return a.in[i].data<float>() + b * s.rows * columns; };
    const float *q = of(0, s.heads * s.dk), *k = of(1, s.kv_heads * s.dk), *v = of(2, s.kv_heads * s.dv);
    dk.assign(static_cast<size_t>(s.heads * s.rows * s.dk), 0.0f);
    dv.assign(static_cast<size_t>(s.heads * s.rows * s.dv), 0.0f);
    float* dq = a.d[0] ? a.d[0] + b * s.rows * s.heads * s.dk : spare.data();
    a.pool.Run(s.heads, 1, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t h = begin; h < end; ++h) {
        const int64_t kv = h / (s.heads / s.kv_heads);
        Head(s, q + h * s.dk, k + kv * s.dk, v + kv * s.dv, a.g + (b * s.rows * s.heads + h) * s.dv,
             slopes.empty() ? 0.0f : static_cast<float>(slopes[static_cast<size_t>(h)]), scratch[static_cast<size_t>(thread)])
            .Run(dq + h * s.dk, dk.data() + h * s.rows * s.dk, dv.data() + h * s.rows * s.dv);
      }
    });
    if (a.d[1]) SumHeads(s, s.dk, dk, a.d[1] + b * s.rows * s.kv_heads * s.dk, a.pool);
    if (a.d[2]) SumHeads(s, s.dv, dv, a.d[2] + b * s.rows * s.kv_heads * s.dv, a.pool);
  }
  return {};
}

}  // namespace hasten::calib
