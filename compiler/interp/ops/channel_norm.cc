// Normalizations over channels of [N,C,...] and the p-norm.
#include <algorithm>
#include <cmath>

#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/reduce.h"

namespace hasten::interp {
namespace {

Status NeedChannels(EvalContext& c, size_t from, size_t to, int64_t channels) {
  for (size_t i = from; i < to; ++i) HST_RETURN_IF_ERROR(c.NeedDims(i, {channels}));
  return {};
}

// Groups of channels of each sample normalized by their own mean and variance,
// then scale and bias by channel.
Status NormalizeGroups(EvalContext& c, int64_t groups) {
  const Tensor& x = c.In(0);
  if (x.rank() < 2) return c.Error("needed rank >= 2, came dims ", DimsText(x.dims()));
  const int64_t channels = x.dim(1), inner = Product(x.dims(), 2, x.dims().size());
  if (groups < 1 || channels % groups) return c.Error(channels, " channels in ", groups, " groups");
  HST_RETURN_IF_ERROR(NeedChannels(c, 1, 3, channels));
  const double eps = c.node.Float("epsilon", 1e-5);
  std::vector<double> v = ToDoubles(x);
  const std::vector<double> scale = ToDoubles(c.In(1)), bias = ToDoubles(c.In(2));
  const int64_t n = channels / groups * inner;
  for (int64_t g = 0; g < x.dim(0) * groups && n > 0; ++g) {
    double* p = v.data() + g * n;
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; ++i) mean += p[i];
    mean /= static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) square += (p[i] - mean) * (p[i] - mean);
    const double inverse = 1 / std::sqrt(square / static_cast<double>(n) + eps);
    for (int64_t i = 0; i < n; ++i) {
      const size_t ch = static_cast<size_t>(g % groups * (channels / groups) + i / inner);
      p[i] = (p[i] - mean) * inverse * scale[ch] + bias[ch];
    }
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), x.dims(), v));
  return {};
}

}  // namespace

Status EvalGroupNormalization(EvalContext& c) { return NormalizeGroups(c, c.node.Int("num_groups", 1)); }
Status EvalInstanceNormalization(EvalContext& c) { return NormalizeGroups(c, c.In(0).rank() > 1 ? c.In(0).dim(1) : 1); }

Status EvalBatchNormalization(EvalContext& c) {
  const Tensor& x = c.In(0);
  if (x.rank() < 1) return c.Error("needed rank >= 1");
  const int64_t channels = x.rank() > 1 ? x.dim(1) : 1, inner = x.rank() > 1 ? Product(x.dims(), 2, x.dims().size()) : 1;
  HST_RETURN_IF_ERROR(NeedChannels(c, 1, 5, channels));
  const double eps = c.node.Float("epsilon", 1e-5), momentum = c.node.Float("momentum", 0.9);
  std::vector<double> v = ToDoubles(x), mean = ToDoubles(c.In(3)), variance = ToDoubles(c.In(4));
  const std::vector<double> scale = ToDoubles(c.In(1)), bias = ToDoubles(c.In(2));
  if (c.node.Int("training_mode", 0) != 0 && !v.empty()) {
    std::vector<double> now_mean(mean.size(), 0), now_variance(mean.size(), 0);
    const double n = static_cast<double>(v.size()) / static_cast<double>(channels);
    const auto channel = [&](size_t i) { return static_cast<size_t>(static_cast<int64_t>(i) / inner % channels); };
    for (size_t i = 0; i < v.size(); ++i) now_mean[channel(i)] += v[i] / n;
    for (size_t i = 0; i < v.size(); ++i) now_variance[channel(i)] += (v[i] - now_mean[channel(i)]) * (v[i] - now_mean[channel(i)]) / n;
    std::vector<double> run_mean, run_variance;
    for (size_t k = 0; k < mean.size(); ++k) {
      run_mean.push_back(mean[k] * momentum + now_mean[k] * (1 - momentum));
      run_variance.push_back(variance[k] * momentum + now_variance[k] * (1 - momentum));
    }
    if (c.OutputCount() > 1) {
      HST_ASSIGN_OR_RETURN(c.out[1], FromDoubles(c, c.In(3).dtype(), {channels}, run_mean));
    }
    if (c.OutputCount() > 2) {
      HST_ASSIGN_OR_RETURN(c.out[2], FromDoubles(c, c.In(4).dtype(), {channels}, run_variance));
    }
    mean = std::move(now_mean);
    variance = std::move(now_variance);
  }
  for (size_t i = 0; i < v.size(); ++i) {
    const size_t ch = static_cast<size_t>(static_cast<int64_t>(i) / inner % channels);
    v[i] = (v[i] - mean[ch]) / std::sqrt(variance[ch] + eps) * scale[ch] + bias[ch];
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), x.dims(), v));
  return {};
}

Status EvalMeanVarianceNormalization(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> axes, c.Axes(c.node.Ints("axes", {0, 2, 3}), x.rank()));
  const ReducePlan plan = PlanReduce(x.dims(), axes, true);
  std::vector<double> v = ToDoubles(x);
  for (int64_t o = 0; o < plan.outer && plan.inner > 0; ++o) {
    double mean = 0, square = 0;
    for (int64_t i = 0; i < plan.inner; ++i) mean += v[static_cast<size_t>(ReduceAt(plan, o, i))];
    mean /= static_cast<double>(plan.inner);
    for (int64_t i = 0; i < plan.inner; ++i) {
      const double d = v[static_cast<size_t>(ReduceAt(plan, o, i))] - mean;
      square += d * d;
    }
    const double deviation = std::sqrt(square / static_cast<double>(plan.inner)) + 1e-9;
    for (int64_t i = 0; i < plan.inner; ++i) {
      double& e = v[static_cast<size_t>(ReduceAt(plan, o, i))];
      e = (e - mean) / deviation;
    }
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), x.dims(), v));
  return {};
}

Status EvalLpNormalization(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", -1), x.rank()));
  const int64_t p = c.node.Int("p", 2);
  if (p != 1 && p != 2) return c.Error("p is ", p);
  const ReducePlan plan = PlanReduce(x.dims(), {axis}, true);
  std::vector<double> v = ToDoubles(x);
  for (int64_t o = 0; o < plan.outer; ++o) {
    double norm = 0;
    for (int64_t i = 0; i < plan.inner; ++i) {
      const double e = v[static_cast<size_t>(ReduceAt(plan, o, i))];
      norm += p == 1 ? std::abs(e) : e * e;
    }
    if (p == 2) norm = std::sqrt(norm);
    for (int64_t i = 0; i < plan.inner && norm != 0; ++i) v[static_cast<size_t>(ReduceAt(plan, o, i))] /= norm;
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), x.dims(), v));
  return {};
}

Status EvalLrn(EvalContext& c) {
  const Tensor& x = c.In(0);
  if (x.rank() < 2) return c.Error("needed rank >= 2, came dims ", DimsText(x.dims()));
  const int64_t size = c.node.Int("size", 1), channels = x.dim(1), inner = Product(x.dims(), 2, x.dims().size());
  if (size < 1) return c.Error("size is ", size);
  const double alpha = c.node.Float("alpha", 1e-4), beta = c.node.Float("beta", 0.75), bias = c.node.Float("bias", 1.0);
  HST_RETURN_IF_ERROR(c.SpendPlain({x.elements(), std::min(size, std::max<int64_t>(channels, 1))}));
  const std::vector<double> v = ToDoubles(x);
  std::vector<double> y(v.size());
  for (size_t i = 0; i < v.size(); ++i) {
    const int64_t at = static_cast<int64_t>(i), ch = at / inner % channels;
    double square = 0;
    for (int64_t k = std::max<int64_t>(0, ch - (size - 1) / 2); k <= std::min(channels - 1, ch + size / 2); ++k) {
      const double e = v[static_cast<size_t>(at + (k - ch) * inner)];
      square += e * e;
    }
    y[i] = v[i] / std::pow(bias + alpha / static_cast<double>(size) * square, beta);
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), x.dims(), y));
  return {};
}

}  // namespace hasten::interp
