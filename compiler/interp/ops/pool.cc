// Pools (ONNX AveragePool-22, MaxPool-22, LpPool-22, Global*, MaxUnpool-22).
#include <cmath>

#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/window.h"

namespace hasten::interp {
namespace {

// fold(window, position, plane) -> value for each output; plane: one channel's input.
template <class F>
Status Pool(EvalContext& c, F fold) {
  const Tensor& x = c.In(0);
  if (x.rank() < 3) return c.Error("needed rank >= 3, came dims ", DimsText(x.dims()));
  HST_ASSIGN_OR_RETURN(const Window w, PlanWindow(c, {x.dims().begin() + 2, x.dims().end()}, c.node.Ints("kernel_shape")));
  std::vector<int64_t> dims{x.dim(0), x.dim(1)};
  dims.insert(dims.end(), w.out.begin(), w.out.end());
  HST_RETURN_IF_ERROR(RoomForDoubles(c, dims));
  const int64_t positions = Product(w.out, 0, w.out.size()), plane = Product(w.in, 0, w.in.size()), planes = x.dim(0) * x.dim(1);
  HST_RETURN_IF_ERROR(c.SpendPlain({planes, positions, BoundedProduct(w.kernel)}));
  const std::vector<double> xs = ToDoubles(x);
  std::vector<double> values(static_cast<size_t>(planes * positions));
  std::vector<int64_t> at(w.out.size());
  for (int64_t p = 0; p < planes; ++p) {
    std::fill(at.begin(), at.end(), 0);
    for (int64_t i = 0; i < positions; ++i, NextIndex(at, w.out))
      values[static_cast<size_t>(p * positions + i)] = fold(w, at, xs.data() + p * plane, p * positions + i, p * plane);
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), dims, values));
  return {};
}

// Kernel cells of a window that lie in the input or its explicit padding.
int64_t PaddedCells(const Window& w, const std::vector<int64_t>& at) {
  int64_t count = 1;
  for (size_t d = 0; d < at.size(); ++d) {
    int64_t here = 0;
    for (int64_t k = 0; k < w.kernel[d]; ++k) here += at[d] * w.strides[d] + k * w.dilations[d] < w.begin[d] + w.in[d] + w.end[d];
    count *= here;
  }
  return count;
}

// One plane, one value.
template <class F>
Status GlobalPool(EvalContext& c, F fold) {
  const Tensor& x = c.In(0);
  if (x.rank() < 2) return c.Error("needed rank >= 2, came dims ", DimsText(x.dims()));
  const int64_t plane = Product(x.dims(), 2, x.dims().size()), planes = x.dim(0) * x.dim(1);
  const std::vector<double> xs = ToDoubles(x);
  std::vector<double> values(static_cast<size_t>(planes));
  for (int64_t p = 0; p < planes; ++p) values[static_cast<size_t>(p)] = fold(xs.data() + p * plane, plane);
  std::vector<int64_t> dims(x.dims().size(), 1);
  dims[0] = x.dim(0);
  dims[1] = x.dim(1);
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), dims, values));
  return {};
}

double LpNorm(const double* x, int64_t n, double p) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::pow(std::abs(x[i]), p);
  return std::pow(sum, 1 / p);
}

}  // namespace

Status EvalAveragePool(EvalContext& c) {
  const bool include_pad = c.node.Int("count_include_pad", 0) != 0;
  return Pool(c, [&](const Window& w, const std::vector<int64_t>& at, const double* x, int64_t, int64_t) {
    double sum = 0;
    int64_t count = 0;
    ForCells(w, at, [&](int64_t, int64_t offset) {
      sum += x[offset];
      ++count;
    });
    return sum / static_cast<double>(include_pad ? PaddedCells(w, at) : count);
  });
}

Status EvalMaxPool(EvalContext& c) {
  const bool columns_first = c.node.Int("storage_order", 0) != 0;
  std::vector<int64_t> indices;
  const auto column_major = [](const Window& w, int64_t offset) {
    int64_t out = 0, stride = 1;
    std::vector<int64_t> index(w.in.size());
    for (size_t d = w.in.size(); d-- > 0;) {
      index[d] = offset % w.in[d];
      offset /= w.in[d];
    }
    for (size_t d = 0; d < w.in.size(); ++d) {
      out += index[d] * stride;
      stride *= w.in[d];
    }
    return out;
  };
  HST_RETURN_IF_ERROR(Pool(c, [&](const Window& w, const std::vector<int64_t>& at, const double* x, int64_t, int64_t base) {
    double best = -INFINITY;
    int64_t where = -1;
    ForCells(w, at, [&](int64_t, int64_t offset) {
      if (where >= 0 && !(x[offset] > best) && !(x[offset] != x[offset])) return;
      best = x[offset];
      where = offset;
    });
    indices.push_back(base + (where < 0 ? 0 : columns_first ? column_major(w, where) : where));
    return best;
  }));
  if (c.OutputCount() > 1) {
    HST_ASSIGN_OR_RETURN(Tensor o, c.Make(DType::kI64, c.out[0].dims()));
    std::copy(indices.begin(), indices.end(), o.mutable_data<int64_t>());
    c.out[1] = std::move(o);
  }
  return {};
}

Status EvalLpPool(EvalContext& c) {
  const double p = static_cast<double>(c.node.Int("p", 2));
  return Pool(c, [&](const Window& w, const std::vector<int64_t>& at, const double* x, int64_t, int64_t) {
    double sum = 0;
    ForCells(w, at, [&](int64_t, int64_t offset) { sum += std::pow(std::abs(x[offset]), p); });
    return std::pow(sum, 1 / p);
  });
}

Status EvalGlobalAveragePool(EvalContext& c) {
  return GlobalPool(c, [](const double* x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i];
    return sum / static_cast<double>(n);
  });
}
Status EvalGlobalMaxPool(EvalContext& c) {
  return GlobalPool(c, [](const double* x, int64_t n) {
    double best = -INFINITY;
    for (int64_t i = 0; i < n; ++i) best = x[i] > best || x[i] != x[i] ? x[i] : best;
    return best;
  });
}
Status EvalGlobalLpPool(EvalContext& c) {
  const double p = static_cast<double>(c.node.Int("p", 2));
  return GlobalPool(c, [p](const double* x, int64_t n) { return LpNorm(x, n, p); });
}

Status EvalMaxUnpool(EvalContext& c) {
  const Tensor &x = c.In(0), &index = c.In(1);
  if (x.rank() < 3) return c.Error("needed rank >= 3, came dims ", DimsText(x.dims()));
  HST_RETURN_IF_ERROR(c.NeedType(1, DType::kI64));
  HST_RETURN_IF_ERROR(c.NeedDims(1, x.dims()));
  const size_t n = x.dims().size() - 2;
  HST_ASSIGN_OR_RETURN(const auto kernel, SpatialAttr(c, "kernel_shape", n, 1, 1));
  HST_ASSIGN_OR_RETURN(const auto strides, SpatialAttr(c, "strides", n, 1, 1));
  HST_ASSIGN_OR_RETURN(const auto pads, SpatialAttr(c, "pads", 2 * n, 0, 0));
  std::vector<int64_t> inferred{x.dim(0), x.dim(1)};
  for (size_t d = 0; d < n; ++d) {
    if (x.dims()[2 + d] > INT32_MAX) return c.Error("operand of dims ", DimsText(x.dims()));
    inferred.push_back((x.dims()[2 + d] - 1) * strides[d] + kernel[d] - pads[d] - pads[n + d]);
  }
  std::vector<int64_t> dims = inferred;
  if (c.Has(2)) {
    HST_ASSIGN_OR_RETURN(dims, c.Ints(2, 16));
    if (dims.size() != inferred.size()) return c.Error("output_shape has ", dims.size(), " elements");
  }
  HST_ASSIGN_OR_RETURN(Tensor o, c.MakeZeros(x.dtype(), dims));
  // Indices count over the inferred shape; a larger output_shape has room at the ends.
  const std::vector<int64_t> own = RowMajorStrides(inferred), strides_out = RowMajorStrides(dims);
  const size_t size = DTypeSize(x.dtype());
  for (int64_t i = 0; i < x.elements(); ++i) {
    int64_t rest = index.data<int64_t>()[i], at = rest < 0 ? -1 : 0;
    for (size_t d = 0; d < own.size() && at >= 0; ++d) {
      const int64_t k = own[d] > 0 ? rest / own[d] : -1;
      at = k < 0 || k >= dims[d] ? -1 : at + k * strides_out[d];
      rest -= k * own[d];
    }
    if (at < 0 || at >= o.elements()) return c.Error("index ", index.data<int64_t>()[i], " is outside of ", DimsText(dims));
    std::copy_n(x.raw() + static_cast<size_t>(i) * size, size, o.mutable_raw() + static_cast<size_t>(at) * size);
  }
  c.out[0] = std::move(o);
  return {};
}

}  // namespace hasten::interp
