// Normalizations. Sums in double; one rounding to the output.
#include <cmath>

#include "compiler/interp/broadcast.h"
#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/ir/infer.h"

namespace hasten::interp {
namespace {

// Operand i broadcast to the normalized dims [axis, rank) of x, as doubles.
Result<std::vector<double>> AffineOperand(EvalContext& c, size_t i, const std::vector<int64_t>& normalized) {
  HST_ASSIGN_OR_RETURN(const auto dims, BroadcastShape(c, normalized, c.In(i).dims()));
  if (dims != normalized) return c.Error("operand ", i, " of dims ", DimsText(c.In(i).dims()), " does not broadcast to ", DimsText(normalized));
  const BroadcastPlan plan = PlanBroadcast(normalized, {&c.In(i).dims()});
  std::vector<double> out(static_cast<size_t>(Product(normalized, 0, normalized.size())));
  if (out.empty()) return out;
  for (int64_t row = 0; row < plan.rows; ++row) {
    int64_t rest = row, at = 0;
    for (size_t d = plan.dims.size() - 1; d-- > 0;) {
      at += rest % plan.dims[d] * plan.strides[0][d];
      rest /= plan.dims[d];
    }
    for (int64_t k = 0; k < plan.columns; ++k) out[static_cast<size_t>(row * plan.columns + k)] = c.In(i).At(at + k * plan.inner[0]);
  }
  return out;
}

// Rows of [outer][n]: layer (mean removed) or RMS normalization.
Status NormalizeRows(EvalContext& c, int64_t default_axis, bool remove_mean) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", default_axis), x.rank()));
  const size_t a = static_cast<size_t>(axis);
  const std::vector<int64_t> normalized(x.dims().begin() + axis, x.dims().end());
  HST_ASSIGN_OR_RETURN(const std::vector<double> scale, AffineOperand(c, 1, normalized));
  std::vector<double> bias;
  if (c.Has(2)) {
    HST_ASSIGN_OR_RETURN(bias, AffineOperand(c, 2, normalized));
  }
  const int64_t n = Product(normalized, 0, normalized.size()), rows = n ? x.elements() / n : 0;
  const double eps = static_cast<double>(static_cast<float>(c.node.Float("epsilon", 1e-5)));
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), x.dims()));
  std::vector<double> means(static_cast<size_t>(rows)), inverses(static_cast<size_t>(rows));
  const bool known = ForFloat(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    c.Parallel(rows, 3 * n, [&](int64_t b, int64_t e) {
      for (int64_t r = b; r < e; ++r) {
        const T* from = x.template data<T>() + r * n;
        T* to = o.template mutable_data<T>() + r * n;
        double mean = 0, square = 0;
        for (int64_t i = 0; remove_mean && i < n; ++i) mean += static_cast<double>(from[i]);
        mean /= static_cast<double>(n);
        if (!remove_mean) mean = 0;
        for (int64_t i = 0; i < n; ++i) square += (static_cast<double>(from[i]) - mean) * (static_cast<double>(from[i]) - mean);
        const double inverse = 1 / std::sqrt(square / static_cast<double>(n) + eps);
        for (int64_t i = 0; i < n; ++i) {
          const size_t k = static_cast<size_t>(i);
          to[i] = static_cast<T>((static_cast<double>(from[i]) - mean) * inverse * scale[k] + (bias.empty() ? 0.0 : bias[k]));
        }
        means[static_cast<size_t>(r)] = mean;
        inverses[static_cast<size_t>(r)] = inverse;
      }
    });
  });
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  std::vector<int64_t> dims = x.dims();
  for (size_t i = a; i < dims.size(); ++i) dims[i] = 1;
  for (size_t k = 1; k < std::min<size_t>(3, c.OutputCount()); ++k) {
    HST_ASSIGN_OR_RETURN(Tensor s, c.Make(DType::kF32, dims));
    for (int64_t r = 0; r < rows; ++r) s.mutable_data<float>()[r] = static_cast<float>((k == 1 ? means : inverses)[static_cast<size_t>(r)]);
    c.out[k] = std::move(s);
  }
  return {};
}

}  // namespace

Status EvalLayerNormalization(EvalContext& c) { return NormalizeRows(c, -1, true); }
Status EvalRmsNormalization(EvalContext& c) { return NormalizeRows(c, -1, false); }

}  // namespace hasten::interp
