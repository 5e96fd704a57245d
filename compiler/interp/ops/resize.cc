// resize (ONNX Resize-19), axis by axis: each output position is a weighted sum
// of a few input positions, as the operator's reference computes it.
#include <algorithm>
#include <cmath>

#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

struct Taps {
  std::vector<int64_t> at;      // input positions, clamped to the edge
  std::vector<double> weight;
  bool outside = false;         // tf_crop_and_resize: the extrapolation value
};

struct AxisPlan {
  int64_t in = 0, out = 0;
  double scale = 1, roi_start = 0, roi_end = 1;
};

struct Modes {
  std::string coordinates, mode, nearest;
  double a = -0.75;
  bool antialias = false, exclude_outside = false;
};

double Coordinate(const AxisPlan& p, int64_t i, const Modes& m, bool* outside) {
  const double x = static_cast<double>(i), n = static_cast<double>(p.in), out = p.scale * n;
  if (m.coordinates == "align_corners") return out == 1 ? 0 : x * (n - 1) / (out - 1);
  if (m.coordinates == "asymmetric") return x / p.scale;
  if (m.coordinates == "tf_crop_and_resize") {
    const double span = p.roi_end - p.roi_start;
    const double at = (out == 1 ? span * (n - 1) / 2 : x * span * (n - 1) / (out - 1)) + p.roi_start * (n - 1);
    *outside = at < 0 || at > n - 1;
    return at;
  }
  if (m.coordinates == "pytorch_half_pixel") return out == 1 ? -0.5 : (x + 0.5) / p.scale - 0.5;
  if (m.coordinates == "half_pixel_symmetric") {
    const double offset = n / 2 * (1 - static_cast<double>(p.out) / out);
    return offset + (x + 0.5) / p.scale - 0.5;
  }
  return (x + 0.5) / p.scale - 0.5;  // half_pixel
}

double Cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

// A bound of what Weights makes: cubic reaches over 2 on either side, and over
// 2 / scale where it smooths a reduction.
int64_t MostTaps(const AxisPlan& p, const Modes& m) {
  const double s = m.antialias ? std::min(p.scale, 1.0) : 1.0;
  return s > 1e-15 ? static_cast<int64_t>(4 / s) + 4 : INT64_MAX;
}

// Weights of the neighbours left - count/2 + 1 ... left + count/2, where `left` is
// the position before x and ratio in (0, 1] how far x lies behind it.
std::vector<double> Weights(double ratio, double scale, const Modes& m) {
  if (m.mode == "nearest") {
    if (ratio == 1) return {0, 1};
    const bool right = m.nearest == "ceil" || (m.nearest == "round_prefer_floor" && ratio > 0.5) || (m.nearest == "round_prefer_ceil" && ratio >= 0.5);
    return right ? std::vector<double>{0, 1} : std::vector<double>{1, 0};
  }
  const bool linear = m.mode == "linear";
  const double s = m.antialias ? std::min(scale, 1.0) : 1.0, reach = linear ? 1 : 2;
  const int64_t start = static_cast<int64_t>(std::floor(-reach / s)) + 1;
  std::vector<double> w;
  double sum = 0;
  for (int64_t i = start; i < 2 - start; ++i) {
    const double x = (static_cast<double>(i) - ratio) * s;
    w.push_back(linear ? std::clamp(1 - std::abs(x), 0.0, 1.0) : Cubic(x, m.a));
    sum += w.back();
  }
  if (m.antialias)
    for (double& v : w) v /= sum;
  return w;
}

Taps MakeTaps(const AxisPlan& p, int64_t i, const Modes& m) {
  Taps t;
  const double x = Coordinate(p, i, m, &t.outside);
  if (t.outside) return t;
  const double left = std::ceil(x) - 1, ratio = x - left;
  t.weight = Weights(ratio, p.scale, m);
  const int64_t first = static_cast<int64_t>(left) - static_cast<int64_t>(t.weight.size() / 2) + 1;
  double sum = 0;
  for (size_t k = 0; k < t.weight.size(); ++k) {
    const int64_t at = first + static_cast<int64_t>(k);
    if (m.exclude_outside && (at < 0 || at >= p.in)) t.weight[k] = 0;
    sum += t.weight[k];
    t.at.push_back(std::clamp<int64_t>(at, 0, p.in - 1));
  }
  if (m.exclude_outside)
    for (double& w : t.weight) w /= sum;
  return t;
}

// Sizes and scales of every axis from operands 2 (scales) or 3 (sizes).
Result<std::vector<AxisPlan>> PlanAxes(EvalContext& c, const std::vector<int64_t>& axes) {
  const Tensor& x = c.In(0);
  std::vector<AxisPlan> plan(x.dims().size());
  for (size_t d = 0; d < plan.size(); ++d) plan[d].in = plan[d].out = x.dims()[d];
  const bool by_sizes = c.Has(3) && c.In(3).elements() > 0;
  const size_t operand = by_sizes ? 3 : 2;
  if (!c.Has(operand) || c.In(operand).elements() != static_cast<int64_t>(axes.size()))
    return c.Error("needs one scale or size for each of ", axes.size(), " axes");
  const std::string policy = c.node.Str("keep_aspect_ratio_policy", "stretch");
  double common = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    AxisPlan& p = plan[static_cast<size_t>(axes[i])];
    const double v = c.In(operand).At(static_cast<int64_t>(i));
    if (!(v >= 0) || v > 1e15 || (!by_sizes && v == 0) || p.in == 0) return c.Error("scale or size ", v, " of an axis of ", p.in);
    p.scale = by_sizes ? v / static_cast<double>(p.in) : v;
    p.out = by_sizes ? static_cast<int64_t>(v) : static_cast<int64_t>(std::min(std::floor(v * static_cast<double>(p.in)), 1e18));
    common = i == 0 ? p.scale : policy == "not_larger" ? std::min(common, p.scale) : std::max(common, p.scale);
  }
  if (by_sizes && policy != "stretch")
    for (int64_t a : axes) {
      AxisPlan& p = plan[static_cast<size_t>(a)];
      p.scale = common;
      p.out = static_cast<int64_t>(std::floor(common * static_cast<double>(p.in) + 0.5));
    }
  if (c.Has(1) && c.node.Str("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize") {
    if (c.In(1).elements() != 2 * static_cast<int64_t>(axes.size())) return c.Error("roi has ", c.In(1).elements(), " elements");
    for (size_t i = 0; i < axes.size(); ++i) {
      plan[static_cast<size_t>(axes[i])].roi_start = c.In(1).At(static_cast<int64_t>(i));
      plan[static_cast<size_t>(axes[i])].roi_end = c.In(1).At(static_cast<int64_t>(i + axes.size()));
    }
  }
  return plan;
}

}  // namespace

Status EvalResize(EvalContext& c) {
  const Tensor& x = c.In(0);
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < x.rank(); ++i) axes.push_back(i);
  HST_ASSIGN_OR_RETURN(axes, c.Axes(c.node.Ints("axes", axes), x.rank()));
  HST_ASSIGN_OR_RETURN(const std::vector<AxisPlan> plan, PlanAxes(c, axes));
  Modes m{c.node.Str("coordinate_transformation_mode", "half_pixel"), c.node.Str("mode", "nearest"),
          c.node.Str("nearest_mode", "round_prefer_floor"), c.node.Float("cubic_coeff_a", -0.75),
          c.node.Int("antialias", 0) != 0, c.node.Int("exclude_outside", 0) != 0};
  if (m.mode != "nearest" && m.mode != "linear" && m.mode != "cubic") return c.Error("mode is \"", m.mode, "\"");
  std::vector<int64_t> dims = x.dims();
  std::vector<double> values = ToDoubles(x);
  std::vector<std::vector<bool>> outside(dims.size());
  for (size_t d = 0; d < dims.size(); ++d) {
    const AxisPlan& p = plan[d];
    outside[d].assign(static_cast<size_t>(std::max<int64_t>(p.out, 0)), false);
    const bool named = std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) != axes.end();
    if (!named || (p.out == p.in && p.scale == 1 && m.coordinates != "tf_crop_and_resize")) continue;
    const int64_t outer = Product(dims, 0, d), inner = Product(dims, d + 1, dims.size());
    dims[d] = p.out;
    HST_RETURN_IF_ERROR(RoomForDoubles(c, dims));
    HST_RETURN_IF_ERROR(c.SpendPlain({p.out, MostTaps(p, m), std::max<int64_t>(outer * inner, 1)}));
    std::vector<double> next(static_cast<size_t>(outer * p.out * inner), 0);
    for (int64_t i = 0; i < p.out; ++i) {
      const Taps taps = MakeTaps(p, i, m);
      outside[d][static_cast<size_t>(i)] = taps.outside;
      for (size_t k = 0; k < taps.at.size(); ++k)
        for (int64_t o = 0; o < outer && taps.weight[k] != 0; ++o)
          for (int64_t j = 0; j < inner; ++j)
            next[static_cast<size_t>((o * p.out + i) * inner + j)] += taps.weight[k] * values[static_cast<size_t>((o * p.in + taps.at[k]) * inner + j)];
    }
    values = std::move(next);
  }
  if (m.coordinates == "tf_crop_and_resize") {
    const double fill = c.node.Float("extrapolation_value", 0.0);
    std::vector<int64_t> index(dims.size(), 0);
    for (double& v : values) {
      for (size_t d = 0; d < dims.size(); ++d)
        if (outside[d][static_cast<size_t>(index[d])]) v = fill;
      NextIndex(index, dims);
    }
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), dims, values));
  return {};
}

}  // namespace hasten::interp
