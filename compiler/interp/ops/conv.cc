// Convolutions of any number of spatial axes (ONNX Conv-22, ConvTranspose-22,
// ConvInteger-10, QLinearConv-10, Col2Im-18). Plain loops.
#include <cmath>

#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/window.h"

namespace hasten::interp {
namespace {

std::vector<int64_t> Spatial(const Tensor& t) { return {t.dims().begin() + 2, t.dims().end()}; }

struct ConvResult {
  std::vector<int64_t> dims;
  std::vector<double> values;
};

// x [N,C,...], w [M,C/group,...], both as doubles.
Result<ConvResult> Convolve(EvalContext& c, const Tensor& x, const std::vector<double>& xs, const Tensor& weight, const std::vector<double>& ws) {
  if (x.rank() < 3 || weight.rank() != x.rank()) return c.Error("operands of dims ", DimsText(x.dims()), " and ", DimsText(weight.dims()));
  const int64_t group = c.node.Int("group", 1), channels = x.dim(1), maps = weight.dim(0), per = weight.dim(1);
  if (group < 1 || channels % group || maps % group || per != channels / group)
    return c.Error(channels, " channels and ", maps, " maps in ", group, " groups with weights of dims ", DimsText(weight.dims()));
  HST_ASSIGN_OR_RETURN(const Window w, PlanWindow(c, Spatial(x), Spatial(weight)));
  ConvResult r;
  r.dims = {x.dim(0), maps};
  r.dims.insert(r.dims.end(), w.out.begin(), w.out.end());
  HST_RETURN_IF_ERROR(RoomForDoubles(c, r.dims));
  const int64_t positions = Product(w.out, 0, w.out.size()), plane = Product(w.in, 0, w.in.size());
  const int64_t cells = Product(w.kernel, 0, w.kernel.size());
  HST_RETURN_IF_ERROR(c.SpendPlain({x.dim(0), maps, positions, cells, std::max<int64_t>(per, 1)}));
  r.values.assign(static_cast<size_t>(x.dim(0) * maps * positions), 0);
  c.Parallel(x.dim(0) * maps, positions * per * cells, [&](int64_t from, int64_t to) {
    std::vector<int64_t> at(w.out.size());
    for (int64_t nm = from; nm < to; ++nm) {
      const int64_t m = nm % maps, first = nm / maps * channels + m / (maps / group) * per;
      std::fill(at.begin(), at.end(), 0);
      for (int64_t p = 0; p < positions; ++p, NextIndex(at, w.out)) {
        double sum = 0;
        ForCells(w, at, [&](int64_t cell, int64_t offset) {
          for (int64_t k = 0; k < per; ++k)
            sum += xs[static_cast<size_t>((first + k) * plane + offset)] * ws[static_cast<size_t>((m * per + k) * cells + cell)];
        });
        r.values[static_cast<size_t>(nm * positions + p)] = sum;
      }
    }
  });
  return r;
}

// A scalar or a vector of `count` as doubles, repeated to `count`; `fallback` when absent.
Result<std::vector<double>> PerChannel(EvalContext& c, size_t i, int64_t count, double fallback) {
  if (!c.Has(i)) return std::vector<double>(static_cast<size_t>(count), fallback);
  const Tensor& t = c.In(i);
  if (t.elements() != 1 && (t.rank() != 1 || t.elements() != count)) return c.Error("operand ", i, " of dims ", DimsText(t.dims()), " for ", count, " channels");
  std::vector<double> out = ToDoubles(t);
  out.resize(static_cast<size_t>(count), out.empty() ? 0 : out[0]);
  return out;
}

// x minus its zero point (operand zx), w minus its own (operand zw, scalar or per map).
Result<ConvResult> ConvolveQuantized(EvalContext& c, size_t ix, size_t zx, size_t iw, size_t zw) {
  const Tensor &x = c.In(ix), &weight = c.In(iw);
  if (weight.rank() < 1) return c.Error("a weight of rank 0");
  HST_ASSIGN_OR_RETURN(const std::vector<double> x_zero, PerChannel(c, zx, 1, 0));
  HST_ASSIGN_OR_RETURN(const std::vector<double> w_zero, PerChannel(c, zw, weight.dim(0), 0));
  std::vector<double> xs = ToDoubles(x), ws = ToDoubles(weight);
  for (double& v : xs) v -= x_zero[0];
  const size_t per = w_zero.empty() ? 1 : std::max<size_t>(1, ws.size() / w_zero.size());
  for (size_t i = 0; i < ws.size(); ++i) ws[i] -= w_zero[i / per];
  return Convolve(c, x, xs, weight, ws);
}

}  // namespace

Status EvalConv(EvalContext& c) {
  HST_RETURN_IF_ERROR(c.NeedType(1, c.In(0).dtype()));
  if (!IsFloat(c.In(0).dtype())) return c.WrongType(0);
  HST_ASSIGN_OR_RETURN(ConvResult r, Convolve(c, c.In(0), ToDoubles(c.In(0)), c.In(1), ToDoubles(c.In(1))));
  if (c.Has(2)) {
    HST_RETURN_IF_ERROR(c.NeedDims(2, {r.dims[1]}));
    const std::vector<double> bias = ToDoubles(c.In(2));
    const size_t plane = static_cast<size_t>(Product(r.dims, 2, r.dims.size()));
    for (size_t i = 0; i < r.values.size(); ++i) r.values[i] += bias[i / plane % bias.size()];
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, c.In(0).dtype(), r.dims, r.values));
  return {};
}

Status EvalConvInteger(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(const ConvResult r, ConvolveQuantized(c, 0, 2, 1, 3));
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, DType::kI32, r.dims, r.values));
  return {};
}

Status EvalQLinearConv(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(ConvResult r, ConvolveQuantized(c, 0, 2, 3, 5));
  HST_ASSIGN_OR_RETURN(const std::vector<double> w_scale, PerChannel(c, 4, r.dims[1], 1));
  HST_ASSIGN_OR_RETURN(const std::vector<double> bias, PerChannel(c, 8, r.dims[1], 0));
  HST_ASSIGN_OR_RETURN(const double x_scale, c.ScalarFloat(1));
  HST_ASSIGN_OR_RETURN(const double y_scale, c.ScalarFloat(6));
  HST_ASSIGN_OR_RETURN(const double y_zero, c.ScalarFloat(7));
  const size_t plane = static_cast<size_t>(Product(r.dims, 2, r.dims.size()));
  for (size_t i = 0; i < r.values.size(); ++i) {
    const size_t m = i / plane % w_scale.size();
    r.values[i] = std::nearbyint((r.values[i] + bias[m]) * (x_scale * w_scale[m] / y_scale)) + y_zero;
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, c.In(7).dtype(), r.dims, r.values));
  return {};
}

Status EvalConvTranspose(EvalContext& c) {
  const Tensor &x = c.In(0), &weight = c.In(1);
  if (x.rank() < 3 || weight.rank() != x.rank()) return c.Error("operands of dims ", DimsText(x.dims()), " and ", DimsText(weight.dims()));
  const int64_t group = c.node.Int("group", 1), channels = x.dim(1), per = weight.dim(1);
  if (group < 1 || channels % group || weight.dim(0) != channels || per > INT32_MAX || group > INT32_MAX)
    return c.Error(channels, " channels in ", group, " groups with weights of dims ", DimsText(weight.dims()));
  const std::vector<int64_t> in = Spatial(x), kernel = Spatial(weight);
  const size_t n = in.size();
  HST_ASSIGN_OR_RETURN(const auto strides, SpatialAttr(c, "strides", n, 1, 1));
  HST_ASSIGN_OR_RETURN(const auto dilations, SpatialAttr(c, "dilations", n, 1, 1));
  HST_ASSIGN_OR_RETURN(auto pads, SpatialAttr(c, "pads", 2 * n, 0, -(int64_t{1} << 31)));
  HST_ASSIGN_OR_RETURN(const auto extra, SpatialAttr(c, "output_padding", n, 0, 0));
  std::vector<int64_t> shape = c.node.Ints("output_shape");
  const std::string auto_pad = c.node.Str("auto_pad", "NOTSET");
  if (!shape.empty() && shape.size() != n) return c.Error("output_shape has ", shape.size(), " elements");
  std::vector<int64_t> out(n);
  for (size_t d = 0; d < n; ++d) {
    if (in[d] > INT32_MAX || kernel[d] > INT32_MAX) return c.Error("operands of dims ", DimsText(x.dims()), " and ", DimsText(weight.dims()));
    const int64_t full = (in[d] - 1) * strides[d] + extra[d] + (kernel[d] - 1) * dilations[d] + 1;
    if (!shape.empty() || auto_pad.rfind("SAME", 0) == 0) {
      out[d] = shape.empty() ? in[d] * strides[d] : shape[d];
      if (out[d] < 0 || out[d] > int64_t{1} << 40) return c.Error("output_shape is ", DimsText(shape));
      const int64_t total = std::max<int64_t>(0, full - out[d]);
      pads[d] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      pads[n + d] = total - pads[d];
    } else {
      out[d] = full - (auto_pad == "VALID" ? 0 : pads[d] + pads[n + d]);
      if (auto_pad == "VALID") pads[d] = 0;
    }
    if (out[d] < 0) return c.Error("spatial axis ", d, " would have ", out[d], " elements");
  }
  std::vector<int64_t> dims{x.dim(0), per * group};
  dims.insert(dims.end(), out.begin(), out.end());
  HST_RETURN_IF_ERROR(RoomForDoubles(c, dims));
  const int64_t plane = Product(in, 0, n), area = Product(out, 0, n), cells = Product(kernel, 0, n), maps = dims[1];
  HST_RETURN_IF_ERROR(c.SpendPlain({x.dim(0), channels, plane, cells, std::max<int64_t>(per, 1)}));
  std::vector<double> xs = ToDoubles(x), ws = ToDoubles(weight), values(static_cast<size_t>(x.dim(0) * maps * area), 0);
  if (c.Has(2)) {
    HST_RETURN_IF_ERROR(c.NeedDims(2, {maps}));
    for (size_t i = 0; i < values.size(); ++i) values[i] = c.In(2).At(static_cast<int64_t>(i) / area % maps);
  }
  std::vector<int64_t> at(n), k(n);
  for (int64_t i = 0; i < x.dim(0) * channels && plane > 0 && cells > 0 && area > 0; ++i) {
    const int64_t ch = i % channels, g = ch / (channels / group);
    std::fill(at.begin(), at.end(), 0);
    for (int64_t p = 0; p < plane; ++p, NextIndex(at, in)) {
      std::fill(k.begin(), k.end(), 0);
      for (int64_t cell = 0; cell < cells; ++cell, NextIndex(k, kernel)) {
        int64_t offset = 0;
        bool inside = true;
        for (size_t d = 0; d < n && inside; ++d) {
          const int64_t y = at[d] * strides[d] + k[d] * dilations[d] - pads[d];
          inside = y >= 0 && y < out[d];
          offset = offset * out[d] + y;
        }
        for (int64_t m = 0; m < per && inside; ++m)
          values[static_cast<size_t>((i / channels * maps + g * per + m) * area + offset)] +=
              xs[static_cast<size_t>(i * plane + p)] * ws[static_cast<size_t>((ch * per + m) * cells + cell)];
      }
    }
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), dims, values));
  return {};
}

Status EvalCol2Im(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_RETURN_IF_ERROR(c.NeedRank(0, 3));
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> image, c.Ints(1, 16));
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> block, c.Ints(2, 16));
  for (int64_t d : image)
    if (d < 0) return c.Error("image_shape is ", DimsText(image));
  HST_ASSIGN_OR_RETURN(const Window w, PlanWindow(c, image, block));
  const int64_t cells = BoundedProduct(block), positions = BoundedProduct(w.out);
  if (cells < 1 || x.dim(1) % cells || x.dim(2) != positions)
    return c.Error("operand of dims ", DimsText(x.dims()), " for ", positions, " blocks of ", cells);
  const int64_t channels = x.dim(1) / cells;
  std::vector<int64_t> dims{x.dim(0), channels};
  dims.insert(dims.end(), image.begin(), image.end());
  HST_RETURN_IF_ERROR(RoomForDoubles(c, dims));
  HST_RETURN_IF_ERROR(c.SpendPlain({x.elements()}));
  const int64_t area = Product(image, 0, image.size());
  std::vector<double> values(static_cast<size_t>(x.dim(0) * channels * area), 0);
  std::vector<int64_t> at(image.size());
  for (int64_t nc = 0; nc < x.dim(0) * channels; ++nc) {
    std::fill(at.begin(), at.end(), 0);
    for (int64_t p = 0; p < positions; ++p, NextIndex(at, w.out))
      ForCells(w, at, [&](int64_t cell, int64_t offset) {
        values[static_cast<size_t>(nc * area + offset)] += x.At((nc * cells + cell) * positions + p);
      });
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), dims, values));
  return {};
}

}  // namespace hasten::interp
