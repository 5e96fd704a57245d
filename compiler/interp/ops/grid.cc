// grid_sample (ONNX GridSample-22) and affine_grid (AffineGrid-20).
#include <algorithm>
#include <cmath>

#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

double Reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0 || !std::isfinite(x)) return low;
  double r = std::fmod(x - low, 2 * range);
  if (r < 0) r += 2 * range;
  return low + (r <= range ? r : 2 * range - r);
}

struct Sampler {
  std::string mode, padding;
  bool align = false;

  double Border(int64_t n, bool high) const {
    return align ? (high ? static_cast<double>(n - 1) : 0.0) : (high ? static_cast<double>(n) - 0.5 : -0.5);
  }
  // The tap positions of one axis (-1: a zero) and their weights.
  void Taps(double grid, int64_t n, std::vector<int64_t>* at, std::vector<double>* weight) const {
    const double len = static_cast<double>(n);
    double x = align ? (grid + 1) / 2 * (len - 1) : ((grid + 1) * len - 1) / 2;
    if (!(std::abs(x) < 1e15)) x = x > 0 ? 1e15 : -1e15;   // also what NaN becomes: far outside
    if (mode == "nearest") x = std::nearbyint(x);
    if (x < Border(n, false) || x > Border(n, true)) {
      if (padding == "border") x = std::clamp(x, 0.0, len - 1);
      else if (padding == "reflection") x = Reflect(x, Border(n, false), Border(n, true));
    }
    const double left = std::floor(x), r = x - left;
    const int64_t base = static_cast<int64_t>(left);
    if (mode == "nearest") {
      *at = {static_cast<int64_t>(std::nearbyint(x))};
      *weight = {1};
    } else if (mode == "cubic") {
      constexpr double a = -0.75;
      const auto near = [](double v) { return ((a + 2) * v - (a + 3)) * v * v + 1; };
      const auto far = [](double v) { return ((a * v - 5 * a) * v + 8 * a) * v - 4 * a; };
      *at = {base - 1, base, base + 1, base + 2};
      *weight = {far(1 + r), near(r), near(1 - r), far(2 - r)};
    } else {
      *at = {base, base + 1};
      *weight = {1 - r, r};
    }
    for (int64_t& p : *at) {
      if (p >= 0 && p < n) continue;
      if (padding == "border") p = std::clamp<int64_t>(p, 0, n - 1);
      else if (padding == "reflection") p = std::clamp<int64_t>(static_cast<int64_t>(std::nearbyint(Reflect(static_cast<double>(p), Border(n, false), Border(n, true)))), 0, n - 1);
      else p = -1;
    }
  }
};

}  // namespace

Status EvalGridSample(EvalContext& c) {
  const Tensor &x = c.In(0), &grid = c.In(1);
  const int64_t n = x.rank() - 2;
  if (n < 1 || grid.rank() != x.rank() || grid.dim(-1) != n || grid.dim(0) != x.dim(0))
    return c.Error("operands of dims ", DimsText(x.dims()), " and ", DimsText(grid.dims()));
  Sampler s{c.node.Str("mode", "linear"), c.node.Str("padding_mode", "zeros"), c.node.Int("align_corners", 0) != 0};
  if (s.mode == "bilinear") s.mode = "linear";
  if (s.mode == "bicubic") s.mode = "cubic";
  if (s.mode != "linear" && s.mode != "nearest" && s.mode != "cubic") return c.Error("mode is \"", s.mode, "\"");
  std::vector<int64_t> dims{x.dim(0), x.dim(1)};
  dims.insert(dims.end(), grid.dims().begin() + 1, grid.dims().end() - 1);
  HST_RETURN_IF_ERROR(RoomForDoubles(c, dims));
  const int64_t positions = Product(dims, 2, dims.size()), plane = Product(x.dims(), 2, x.dims().size()), channels = x.dim(1);
  if (plane == 0 && positions > 0) return c.Error("nothing to sample in dims ", DimsText(x.dims()));
  // Up to 4 taps an axis.
  HST_RETURN_IF_ERROR(c.SpendPlain({x.dim(0), positions, channels + n, int64_t{1} << std::min<int64_t>(2 * n, 62)}));
  std::vector<double> values(static_cast<size_t>(x.dim(0) * channels * positions), 0);
  const size_t axes = static_cast<size_t>(n);
  std::vector<std::vector<int64_t>> at(axes);
  std::vector<std::vector<double>> weight(axes);
  for (int64_t b = 0; b < x.dim(0); ++b)
    for (int64_t p = 0; p < positions; ++p) {
      std::vector<int64_t> counts;
      for (size_t d = 0; d < axes; ++d) {  // the grid's last axis counts from the innermost
        s.Taps(grid.At((b * positions + p) * n + (n - 1 - static_cast<int64_t>(d))), x.dims()[2 + d], &at[d], &weight[d]);
        counts.push_back(static_cast<int64_t>(at[d].size()));
      }
      std::vector<int64_t> k(axes, 0);
      do {
        int64_t offset = 0;
        double w = 1;
        bool inside = true;
        for (size_t d = 0; d < axes; ++d) {
          const int64_t q = at[d][static_cast<size_t>(k[d])];
          inside = inside && q >= 0;
          offset = offset * x.dims()[2 + d] + q;
          w *= weight[d][static_cast<size_t>(k[d])];
        }
        for (int64_t ch = 0; ch < channels && inside && w != 0; ++ch)
          values[static_cast<size_t>((b * channels + ch) * positions + p)] += w * x.At((b * channels + ch) * plane + offset);
      } while (NextIndex(k, counts));
    }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), dims, values));
  return {};
}

Status EvalAffineGrid(EvalContext& c) {
  const Tensor& theta = c.In(0);
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> size, c.Ints(1, 8));
  const int64_t n = static_cast<int64_t>(size.size()) - 2;
  if (n != 2 && n != 3) return c.Error("size has ", size.size(), " elements");
  HST_RETURN_IF_ERROR(c.NeedDims(0, {size[0], n, n + 1}));
  const bool align = c.node.Int("align_corners", 0) != 0;
  std::vector<int64_t> dims{size[0]}, spatial(size.begin() + 2, size.end());
  dims.insert(dims.end(), spatial.begin(), spatial.end());
  dims.push_back(n);
  HST_RETURN_IF_ERROR(RoomForDoubles(c, dims));
  std::vector<double> values;
  values.reserve(static_cast<size_t>(Product(dims, 0, dims.size())));
  const int64_t positions = Product(spatial, 0, spatial.size());
  for (int64_t b = 0; b < size[0]; ++b) {
    std::vector<int64_t> index(spatial.size(), 0);
    for (int64_t p = 0; p < positions; ++p, NextIndex(index, spatial)) {
      std::vector<double> v;   // x, y(, z): innermost first
      for (size_t d = spatial.size(); d-- > 0;) {
        const double i = static_cast<double>(index[d]), len = static_cast<double>(spatial[d]);
        v.push_back(align ? (len > 1 ? 2 * i / (len - 1) - 1 : -1) : (2 * i + 1) / len - 1);
      }
      for (int64_t r = 0; r < n; ++r) {
        double sum = theta.At((b * n + r) * (n + 1) + n);
        for (int64_t k = 0; k < n; ++k) sum += theta.At((b * n + r) * (n + 1) + k) * v[static_cast<size_t>(k)];
        values.push_back(sum);
      }
    }
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, theta.dtype(), dims, values));
  return {};
}

}  // namespace hasten::interp
