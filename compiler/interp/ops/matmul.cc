// mat_mul and gemm (ONNX MatMul-13, Gemm-13).
#include <algorithm>

#include "compiler/interp/broadcast.h"
#include "compiler/interp/dispatch.h"
#include "compiler/interp/gemm.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

// Operand shapes as batches of matrices.
struct Batches {
  std::vector<int64_t> a_dims, b_dims, out;   // batch dims of each and of the output
  int64_t m = 0, k = 0, n = 0;
  std::vector<int64_t> dims;                  // the output's
};

Result<Batches> PlanMatMul(EvalContext& c) {
  std::vector<int64_t> a = c.In(0).dims(), b = c.In(1).dims();
  if (a.empty() || b.empty()) return c.Error("needed rank >= 1, came ", DimsText(a), " and ", DimsText(b));
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  Batches p;
  p.m = a[a.size() - 2];
  p.k = a.back();
  p.n = b.back();
  if (b[b.size() - 2] != p.k) return c.Error("K: operand 0 has dims ", DimsText(c.In(0).dims()), ", operand 1 ", DimsText(c.In(1).dims()));
  p.a_dims.assign(a.begin(), a.end() - 2);
  p.b_dims.assign(b.begin(), b.end() - 2);
  HST_ASSIGN_OR_RETURN(p.out, BroadcastShape(c, p.a_dims, p.b_dims));
  p.dims = p.out;
  if (!row) p.dims.push_back(p.m);
  if (!column) p.dims.push_back(p.n);
  return p;
}

uint64_t ProductSteps(DType t) { return t == DType::kF32 ? 1 : EvalContext::kPlainSteps; }

// Plain loops for the types that Eigen is not asked for.
template <class T>
void Multiply(const T* a, const T* b, T* o, int64_t m, int64_t k, int64_t n) {
  std::fill_n(o, m * n, T(0));
  for (int64_t i = 0; i < m; ++i)
    for (int64_t l = 0; l < k; ++l) {
      const T v = a[i * k + l];
      for (int64_t j = 0; j < n; ++j) o[i * n + j] = WrapAdd(o[i * n + j], WrapMul(v, b[l * n + j]));
    }
}

}  // namespace

Status EvalMatMul(EvalContext& c) {
  HST_RETURN_IF_ERROR(c.NeedType(1, c.In(0).dtype()));
  HST_ASSIGN_OR_RETURN(const Batches p, PlanMatMul(c));
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(c.In(0).dtype(), p.dims));
  // The batch of matrices of each operand that batch i of the output reads.
  const int64_t batches = Product(p.out, 0, p.out.size());
  HST_RETURN_IF_ERROR(c.Spend(ProductSteps(o.dtype()), {o.elements() ? batches : 0, p.m, p.n, p.k}));
  std::vector<std::pair<int64_t, int64_t>> pairs(static_cast<size_t>(o.elements() ? batches : 0));
  if (!pairs.empty()) {
    const BroadcastPlan plan = PlanBroadcast(p.out, {&p.a_dims, &p.b_dims});
    size_t next = 0;
    for (int64_t row = 0; row < plan.rows; ++row) {
      int64_t rest = row, a = 0, b = 0;
      for (size_t d = plan.dims.size() - 1; d-- > 0;) {
        a += rest % plan.dims[d] * plan.strides[0][d];
        b += rest % plan.dims[d] * plan.strides[1][d];
        rest /= plan.dims[d];
      }
      for (int64_t i = 0; i < plan.columns; ++i) pairs[next++] = {a + i * plan.inner[0], b + i * plan.inner[1]};
    }
  }
  if (o.dtype() == DType::kF32) {
    const float *a = c.In(0).data<float>(), *b = c.In(1).data<float>();
    float* y = o.mutable_data<float>();
    const auto args = [&](int64_t i) {
      const auto& [ia, ib] = pairs[static_cast<size_t>(i)];
      return GemmArgs{a + ia * p.m * p.k, b + ib * p.k * p.n, y + i * p.m * p.n, p.m, p.n, p.k, p.k, p.n, p.n, false, false};
    };
    // One shared B and dense rows of A: a single product with more rows.
    if (batches > 1 && p.b_dims.size() <= static_cast<size_t>(std::count(p.b_dims.begin(), p.b_dims.end(), 1)) && p.a_dims == p.out) {
      GemmArgs g = args(0);
      g.m = batches * p.m;
      Gemm(c, g);
    } else if (static_cast<int64_t>(pairs.size()) >= c.pool.threads() && c.pool.threads() > 1) {
      c.Parallel(static_cast<int64_t>(pairs.size()), p.m * p.n * std::max<int64_t>(1, p.k / 16), [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) GemmSerial(args(i));
      });
    } else {
      for (int64_t i = 0; i < static_cast<int64_t>(pairs.size()); ++i) Gemm(c, args(i));
    }
  } else {
    const bool known = ForNumber(o.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      c.Parallel(static_cast<int64_t>(pairs.size()), p.m * p.n * p.k, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i)
          Multiply(c.In(0).template data<T>() + pairs[static_cast<size_t>(i)].first * p.m * p.k,
                   c.In(1).template data<T>() + pairs[static_cast<size_t>(i)].second * p.k * p.n,
                   o.template mutable_data<T>() + i * p.m * p.n, p.m, p.k, p.n);
      });
    });
    if (!known) return c.WrongType(0);
  }
  c.out[0] = std::move(o);
  return {};
}

Status EvalGemm(EvalContext& c) {
  HST_RETURN_IF_ERROR(c.NeedRank(0, 2));
  HST_RETURN_IF_ERROR(c.NeedRank(1, 2));
  const Tensor &a = c.In(0), &b = c.In(1);
  HST_RETURN_IF_ERROR(c.NeedType(1, a.dtype()));
  const bool ta = c.node.Int("transA", 0) != 0, tb = c.node.Int("transB", 0) != 0;
  const int64_t m = a.dim(ta ? 1 : 0), k = a.dim(ta ? 0 : 1), n = b.dim(tb ? 0 : 1);
  if (b.dim(tb ? 1 : 0) != k) return c.Error("K: operand 0 has dims ", DimsText(a.dims()), ", operand 1 ", DimsText(b.dims()));
  const double alpha = c.node.Float("alpha", 1.0), beta = c.node.Float("beta", 1.0);
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(a.dtype(), {m, n}));
  HST_RETURN_IF_ERROR(c.Spend(ProductSteps(a.dtype()), {m, n, k}));
  std::vector<int64_t> bias_dims{1, 1};
  if (c.Has(2)) {
    HST_RETURN_IF_ERROR(c.NeedType(2, a.dtype()));
    HST_ASSIGN_OR_RETURN(const auto dims, BroadcastShape(c, o.dims(), c.In(2).dims()));
    if (dims != o.dims()) return c.Error("C of dims ", DimsText(c.In(2).dims()), " does not broadcast to ", DimsText(o.dims()));
    bias_dims = c.In(2).dims();
  }
  if (a.dtype() == DType::kF32)
    Gemm(c, {a.data<float>(), b.data<float>(), o.mutable_data<float>(), m, n, k, a.dim(1), b.dim(1), n, ta, tb});
  const bool known = ForNumber(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* y = o.template mutable_data<T>();
    if constexpr (!std::is_same_v<T, float>) {
      const T *pa = a.template data<T>(), *pb = b.template data<T>();
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          T sum = 0;
          for (int64_t l = 0; l < k; ++l)
            sum = WrapAdd(sum, WrapMul(pa[ta ? l * m + i : i * k + l], pb[tb ? j * k + l : l * n + j]));
          y[i * n + j] = sum;
        }
    }
    if (alpha != 1.0)
      for (int64_t i = 0; i < m * n; ++i) y[i] = Convert<T>(static_cast<T>(alpha) * static_cast<double>(y[i]));
    if (!c.Has(2) || o.elements() == 0) return;
    const BroadcastPlan plan = PlanBroadcast(o.dims(), {&bias_dims});
    const T* bias = c.In(2).template data<T>();
    ForRows(c, plan, [&](int64_t at, const std::array<int64_t, 3>& from, int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        const T v = bias[from[0] + i * plan.inner[0]];
        y[at + i] = WrapAdd(y[at + i], beta == 1.0 ? v : Convert<T>(beta * static_cast<double>(v)));
      }
    });
  });
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  return {};
}

}  // namespace hasten::interp
