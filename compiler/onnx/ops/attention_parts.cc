#include "compiler/onnx/ops/attention_parts.h"

#include <cmath>
#include <limits>

namespace hasten::onnx_import {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

ir::Value* Scaled(NodeImport& node, ir::Value* x, double factor) {
  return factor == 1 ? x : node.Mul(x, node.Scalar(x->type.dtype, factor));
}

ir::Value* LastDims(NodeImport& node, ir::Value* x, int64_t from, int64_t to, int64_t step = 1) {
  return node.Slice(x, -1, from, to, step);
}

}  // namespace

std::optional<int64_t> ConstDim(const ir::Value* value, int64_t axis) {
  if (!value->type.ranked || axis >= value->type.rank()) return std::nullopt;
  const ir::Dim& d = value->type.shape[static_cast<size_t>(axis)];
  return d ? d->AsConst() : std::nullopt;
}

Status CheckHeads(const NodeImport& node, const ir::Value* x, int64_t heads) {
  const std::optional<int64_t> hidden = ConstDim(x, 2);
  if (heads < 1 || (hidden && (*hidden < heads || *hidden % heads != 0)))
    return node.Bad("a hidden size of ", hidden.value_or(0), " does not divide into ", heads, " heads");
  return {};
}

ir::Value* SplitHeads(NodeImport& node, ir::Value* x, int64_t heads) {
  const std::optional<int64_t> hidden = ConstDim(x, 2);
  return node.Transpose(node.Reshape(x, {0, 0, heads, hidden ? *hidden / heads : -1}), {0, 2, 1, 3});
}

ir::Value* MergeHeads(NodeImport& node, ir::Value* x) {
  const std::optional<int64_t> heads = ConstDim(x, 1), size = ConstDim(x, 3);
  return node.Reshape(node.Transpose(x, {0, 2, 1, 3}), {0, 0, heads && size ? *heads * *size : -1});
}

ir::Value* RepeatHeads(NodeImport& node, ir::Value* x, int64_t kv, int64_t heads) {
  if (kv == heads) return x;
  const std::optional<int64_t> size = ConstDim(x, 3);
  ir::Value* wide = node.Emit("expand", {node.Unsqueeze(x, {2}), node.Ints({1, 1, heads / kv, 1, 1})});
  if (size) return node.Reshape(wide, {0, heads, -1, *size});
  return node.Emit("reshape", {wide, node.Vector({node.DimOf(x, 0), node.Scalar(heads), node.DimOf(x, 2), node.DimOf(x, 3)})});
}

ir::Value* CausalMask(NodeImport& node, ir::Value* queries, ir::Value* keys, ir::Value* past, int64_t window) {
  ir::Value *zero = node.Scalar(int64_t{0}), *one = node.Scalar(int64_t{1});
  ir::Value* rows = node.Emit("range", {zero, queries, one});
  if (past) rows = node.Add(rows, past);
  rows = node.Unsqueeze(rows, {1});                                   // [S,1]
  ir::Value* columns = node.Unsqueeze(node.Emit("range", {zero, keys, one}), {0});  // [1,T]
  ir::Value* visible = node.Emit("less_or_equal", {columns, rows});
  if (window < 0) return visible;
  ir::Value* near = node.Emit("greater", {columns, node.Sub(rows, node.Scalar(window))});
  return node.Emit("and", {visible, near});
}

ir::Value* Rotate(NodeImport& node, ir::Value* x, ir::Value* cos, ir::Value* sin, const Rotary& options) {
  constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
  const std::optional<int64_t> size = ConstDim(x, 3);
  const int64_t dim = options.dim > 0 ? options.dim : size.value_or(0);
  const bool partial = options.dim > 0 && size != options.dim;
  ir::Value* turned = partial ? LastDims(node, x, 0, dim) : x;
  ir::Value *first, *second;
  if (options.interleaved) {
    first = LastDims(node, turned, 0, kEnd, 2);
    second = LastDims(node, turned, 1, kEnd, 2);
  } else {
    first = LastDims(node, turned, 0, dim / 2);
    second = LastDims(node, turned, dim / 2, kEnd);
  }
  cos = node.Unsqueeze(cos, {options.head_axis});
  sin = node.Unsqueeze(sin, {options.head_axis});
  ir::Value* real = node.Sub(node.Mul(first, cos), node.Mul(second, sin));
  ir::Value* imaginary = node.Add(node.Mul(first, sin), node.Mul(second, cos));
  ir::Value* out;
  if (options.interleaved) {
    out = node.Concat({node.Unsqueeze(real, {-1}), node.Unsqueeze(imaginary, {-1})}, -1);
    out = node.Emit("reshape", {out, node.Emit("shape", {turned})});
  } else {
    out = node.Concat({real, imaginary}, -1);
  }
  return partial ? node.Concat({out, LastDims(node, x, dim, kEnd)}, -1) : out;
}

ir::Value* BiasOf(NodeImport& node, ir::Value* visible, DType dtype, double hidden) {
  return node.Emit("where", {visible, node.Scalar(dtype, 0), node.Scalar(dtype, hidden)});
}

Result<ScoreStages> Attend(NodeImport& node, ir::Value* q, ir::Value* k, ir::Value* v, const Scores& options) {
  double scale = options.scale;
  if (scale == 0) {
    const std::optional<int64_t> size = ConstDim(q, 3);
    if (!size || *size < 1) return node.Refuse("needs a constant head size, or the attribute scale");
    scale = 1 / std::sqrt(static_cast<double>(*size));
  }
  ScoreStages s{};
  const DType type = q->type.dtype;
  if (options.split_scale) {
    q = Scaled(node, q, std::sqrt(scale));
    k = Scaled(node, k, std::sqrt(scale));
  }
  s.raw = node.Emit("mat_mul", {q, node.Transpose(k, {0, 1, 3, 2})});
  if (!options.split_scale) s.raw = Scaled(node, s.raw, scale);
  s.capped = s.raw;
  if (options.softcap > 0) {
    ir::Value* cap = node.Scalar(type, options.softcap);
    s.capped = node.Mul(node.Emit("tanh", {node.Emit("div", {s.raw, cap})}), cap);
  }
  s.masked = s.capped;
  for (ir::Value* bias : options.biases) s.masked = node.Add(s.masked, bias);
  if (options.visible) s.masked = node.Emit("where", {options.visible, s.masked, node.Scalar(type, -kInf)});
  ir::Value* x = options.softmax_type == DType::kInvalid ? s.masked : node.Cast(s.masked, options.softmax_type);
  s.probabilities = node.Cast(node.Emit("softmax", {x}, {{"axis", int64_t{-1}}}), type);
  s.output = node.Emit("mat_mul", {node.Cast(s.probabilities, v->type.dtype), v});
  return s;
}

}  // namespace hasten::onnx_import
