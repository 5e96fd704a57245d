// negative_log_likelihood_loss (ONNX opset 22) and softmax_cross_entropy_loss (13).
#include <cmath>
#include <optional>

#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

// log_p [N,C,D...] against targets [N,D...]; weights operand 2.
Status Loss(EvalContext& c, const std::vector<double>& log_p) {
  const Tensor &x = c.In(0), &target = c.In(1);
  if (x.rank() < 2) return c.Error("needed rank >= 2, came dims ", DimsText(x.dims()));
  std::vector<int64_t> dims = x.dims();
  const int64_t classes = dims[1];
  dims.erase(dims.begin() + 1);
  HST_RETURN_IF_ERROR(c.NeedDims(1, dims));
  if (IsFloat(target.dtype())) return c.WrongType(1);
  std::vector<double> weights(static_cast<size_t>(classes), 1);
  if (c.Has(2)) {
    HST_RETURN_IF_ERROR(c.NeedDims(2, {classes}));
    weights = ToDoubles(c.In(2));
  }
  std::optional<int64_t> ignore;
  if (c.node.HasAttr("ignore_index")) ignore = c.node.Int("ignore_index", 0);
  const int64_t inner = Product(x.dims(), 2, x.dims().size());
  std::vector<double> losses(static_cast<size_t>(target.elements()), 0);
  double sum = 0, weight_sum = 0;
  for (int64_t i = 0; i < target.elements(); ++i) {
    const int64_t t = target.IntAt(i);
    if (ignore && t == *ignore) continue;
    if (t < 0 || t >= classes) return c.Error("target ", t, " of ", classes, " classes");
    const double w = weights[static_cast<size_t>(t)];
    losses[static_cast<size_t>(i)] = -w * log_p[static_cast<size_t>((i / inner * classes + t) * inner + i % inner)];
    sum += losses[static_cast<size_t>(i)];
    weight_sum += w;
  }
  const std::string reduction = c.node.Str("reduction", "mean");
  if (reduction == "none") {
    HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), dims, losses));
  } else if (reduction == "sum" || reduction == "mean") {
    HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), {}, {reduction == "sum" ? sum : sum / weight_sum}));
  } else {
    return c.Error("reduction is \"", reduction, "\"");
  }
  return {};
}

}  // namespace

Status EvalNegativeLogLikelihoodLoss(EvalContext& c) { return Loss(c, ToDoubles(c.In(0))); }

Status EvalSoftmaxCrossEntropyLoss(EvalContext& c) {
  const Tensor& x = c.In(0);
  if (x.rank() < 2) return c.Error("needed rank >= 2, came dims ", DimsText(x.dims()));
  std::vector<double> v = ToDoubles(x);
  const int64_t classes = x.dim(1), inner = Product(x.dims(), 2, x.dims().size());
  for (int64_t n = 0; n < x.dim(0) && classes > 0; ++n)
    for (int64_t i = 0; i < inner; ++i) {
      const auto at = [&](int64_t k) -> double& { return v[static_cast<size_t>((n * classes + k) * inner + i)]; };
      double top = at(0), sum = 0;
      for (int64_t k = 1; k < classes; ++k) top = std::max(top, at(k));
      for (int64_t k = 0; k < classes; ++k) sum += std::exp(at(k) - top);
      for (int64_t k = 0; k < classes; ++k) at(k) -= top + std::log(sum);
    }
  HST_RETURN_IF_ERROR(Loss(c, v));
  if (c.OutputCount() > 1) {
    HST_ASSIGN_OR_RETURN(c.out[1], FromDoubles(c, x.dtype(), x.dims(), v));
  }
  return {};
}

}  // namespace hasten::interp
