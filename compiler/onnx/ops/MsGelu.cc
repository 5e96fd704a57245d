// com.microsoft's activations and FusedMatMul, in general ops.
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {
namespace {

ir::Value* Gelu(NodeImport& node, ir::Value* x, std::string approximate) {
  return node.Emit("gelu", {x}, {{"approximate", std::move(approximate)}});
}

Result<ir::Value*> MaybeTransposed(NodeImport& node, ir::Value* x, bool transposed) {
  if (!transposed) return x;
  if (!x->type.ranked) return node.Refuse("the rank of a transposed operand is unknown");
  const int64_t rank = x->type.rank();
  if (rank < 2) return x;
  std::vector<int64_t> perm(static_cast<size_t>(rank));
  for (int64_t i = 0; i < rank; ++i) perm[static_cast<size_t>(i)] = i;
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return node.Transpose(x, perm);
}

}  // namespace

Status ImportMsGelu(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(1));
  node.SetOutput(0, Gelu(node, node.In(0), "none"));
  return {};
}

Status ImportMsBiasGelu(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(2));
  node.SetOutput(0, Gelu(node, node.Add(node.In(0), node.In(1)), "none"));
  return {};
}

// The tanh approximation, after an optional bias.
Status ImportFastGelu(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(1));
  node.SetOutput(0, Gelu(node, node.In(1) ? node.Add(node.In(0), node.In(1)) : node.In(0), "tanh"));
  return {};
}

// x * sigmoid(alpha * x).
Status ImportQuickGelu(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(1));
  ir::Value* x = node.In(0);
  ir::Value* scaled = node.Mul(x, node.Scalar(x->type.dtype, node.Float("alpha", 1.702)));
  node.SetOutput(0, node.Mul(x, node.Emit("sigmoid", {scaled})));
  return {};
}

// alpha * op(A) op(B), op a transpose of the last two axes.
Status ImportFusedMatMul(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(2));
  if (node.Int("transBatchA", 0) || node.Int("transBatchB", 0)) return node.Refuse("transBatchA and transBatchB are not supported");
  HST_ASSIGN_OR_RETURN(ir::Value * a, MaybeTransposed(node, node.In(0), node.Int("transA", 0) != 0));
  HST_ASSIGN_OR_RETURN(ir::Value * b, MaybeTransposed(node, node.In(1), node.Int("transB", 0) != 0));
  ir::Value* out = node.Emit("mat_mul", {a, b});
  const double alpha = node.Float("alpha", 1);
  node.SetOutput(0, alpha == 1 ? out : node.Mul(out, node.Scalar(out->type.dtype, alpha)));
  return {};
}

}  // namespace hasten::onnx_import
