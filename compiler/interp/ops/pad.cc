// pad (ONNX Pad-24, all modes) and center_crop_pad (CenterCropPad-18).
#include <algorithm>
#include <cstring>

#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

enum class PadMode { kConstant, kReflect, kEdge, kWrap };

// The input position that output position `at` of an axis of n elements shows,
// `begin` of padding before it; -1: the constant. n >= 1 unless constant.
int64_t Source(int64_t at, int64_t begin, int64_t n, PadMode mode) {
  const int64_t x = at - begin;
  if (x >= 0 && x < n) return x;
  switch (mode) {
    case PadMode::kConstant: return -1;
    case PadMode::kEdge: return x < 0 ? 0 : n - 1;
    case PadMode::kWrap: return ((x % n) + n) % n;
    case PadMode::kReflect: {
      if (n == 1) return 0;
      const int64_t period = 2 * (n - 1), r = ((x % period) + period) % period;
      return r < n ? r : period - r;
    }
  }
  return -1;
}

// Output dims and, for each axis, which input position each output position shows.
Status Assemble(EvalContext& c, const std::vector<int64_t>& dims, const std::vector<int64_t>& begins, PadMode mode, const Tensor* fill) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(Tensor o, c.MakeZeros(x.dtype(), dims));
  if (o.elements() == 0) {
    c.out[0] = std::move(o);
    return {};
  }
  std::vector<std::vector<int64_t>> maps(dims.size());
  const std::vector<int64_t> strides = RowMajorStrides(x.dims());
  for (size_t d = 0; d < dims.size(); ++d) {
    if (x.dims()[d] == 0 && mode != PadMode::kConstant) return c.Error("axis ", d, " is empty: nothing to pad with");
    for (int64_t i = 0; i < dims[d]; ++i) {
      const int64_t s = Source(i, begins[d], x.dims()[d], mode);
      maps[d].push_back(s < 0 ? -1 : s * strides[d]);
    }
  }
  const size_t size = DTypeSize(x.dtype());
  std::vector<int64_t> index(dims.size(), 0);
  std::byte* to = o.mutable_raw();
  for (int64_t i = 0; i < o.elements(); ++i, NextIndex(index, dims)) {
    int64_t at = 0;
    bool constant = false;
    for (size_t d = 0; d < dims.size() && !constant; ++d) {
      const int64_t s = maps[d][static_cast<size_t>(index[d])];
      constant = s < 0;
      at += s;
    }
    if (!constant) std::memcpy(to + static_cast<size_t>(i) * size, x.raw() + static_cast<size_t>(at) * size, size);
    else if (fill) std::memcpy(to + static_cast<size_t>(i) * size, fill->raw(), size);
  }
  c.out[0] = std::move(o);
  return {};
}

}  // namespace

Status EvalPad(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> pads, c.Ints(1, 128));
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < x.rank(); ++i) axes.push_back(i);
  if (c.Has(3)) {
    HST_ASSIGN_OR_RETURN(axes, c.Ints(3, 64));
    HST_ASSIGN_OR_RETURN(axes, c.Axes(std::move(axes), x.rank()));
  }
  if (pads.size() != 2 * axes.size()) return c.Error("pads has ", pads.size(), " elements, needed ", 2 * axes.size());
  const std::string mode = c.node.Str("mode", "constant");
  PadMode m = PadMode::kConstant;
  if (mode == "reflect") m = PadMode::kReflect;
  else if (mode == "edge") m = PadMode::kEdge;
  else if (mode == "wrap") m = PadMode::kWrap;
  else if (mode != "constant") return c.Error("mode is \"", mode, "\"");
  if (c.Has(2)) {
    HST_RETURN_IF_ERROR(c.NeedType(2, x.dtype()));
    if (c.In(2).elements() != 1) return c.Error("constant_value has ", c.In(2).elements(), " elements");
  }
  std::vector<int64_t> dims = x.dims(), begins(dims.size(), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t a = static_cast<size_t>(axes[i]);
    begins[a] = pads[i];
    if (__builtin_add_overflow(dims[a], pads[i], &dims[a]) || __builtin_add_overflow(dims[a], pads[i + axes.size()], &dims[a]))
      return c.Error("pads are ", DimsText(pads));
  }
  return Assemble(c, dims, begins, m, c.Has(2) ? &c.In(2) : nullptr);
}

Status EvalCenterCropPad(EvalContext& c) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, c.Ints(1, 64));
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < x.rank(); ++i) axes.push_back(i);
  HST_ASSIGN_OR_RETURN(axes, c.Axes(c.node.Ints("axes", axes), x.rank()));
  if (shape.size() != axes.size()) return c.Error("shape has ", shape.size(), " elements for ", axes.size(), " axes");
  std::vector<int64_t> dims = x.dims(), begins(dims.size(), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t a = static_cast<size_t>(axes[i]);
    if (shape[i] < 0) return c.Error("shape is ", DimsText(shape));
    // Cropping starts at floor of half the surplus, padding at floor of half the lack.
    begins[a] = shape[i] < dims[a] ? -((dims[a] - shape[i]) / 2) : (shape[i] - dims[a]) / 2;
    dims[a] = shape[i];
  }
  return Assemble(c, dims, begins, PadMode::kConstant, nullptr);
}

}  // namespace hasten::interp
