// com.microsoft's fused norms, in general ops: sums first, then rms_normalization
// or layer_normalization. Simplified means RMS, and stands in ai.onnx as well.
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {
namespace {

ir::Attrs NormAttrs(const NodeImport& node, double epsilon) {
  return {{"axis", node.Int("axis", -1)}, {"epsilon", node.Float("epsilon", epsilon)}};
}

Status RefuseStatistics(const NodeImport& node, size_t from, size_t to) {
  for (size_t i = from; i < to; ++i)
    if (node.Wants(i)) return node.Refuse("output ", i, " (a statistic of training) is not supported");
  return {};
}

// input + skip (+ bias), which is output 3 as well.
ir::Value* SkipSum(NodeImport& node, size_t bias) {
  ir::Value* sum = node.Add(node.In(0), node.In(1));
  if (node.In(bias)) sum = node.Add(sum, node.In(bias));
  node.SetOutput(3, sum);
  return sum;
}

}  // namespace

Status ImportSimplifiedLayerNorm(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(2));
  HST_RETURN_IF_ERROR(RefuseStatistics(node, 1, 2));
  node.SetOutput(0, node.Emit("rms_normalization", {node.In(0), node.In(1)}, NormAttrs(node, 1e-5)));
  return {};
}

Status ImportMsLayerNorm(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(2));
  HST_RETURN_IF_ERROR(RefuseStatistics(node, 1, 3));
  node.SetOutput(0, node.Emit("layer_normalization", node.inputs, NormAttrs(node, 1e-5)));
  return {};
}

// Inputs: input, skip, gamma, bias.
Status ImportSkipSimplifiedLayerNorm(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(3));
  HST_RETURN_IF_ERROR(RefuseStatistics(node, 1, 3));
  ir::Value* sum = SkipSum(node, 3);
  node.SetOutput(0, node.Emit("rms_normalization", {sum, node.In(2)}, NormAttrs(node, 1e-12)));
  return {};
}

// Inputs: input, skip, gamma, beta, bias.
Status ImportSkipLayerNorm(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(3));
  HST_RETURN_IF_ERROR(RefuseStatistics(node, 1, 3));
  ir::Value* sum = SkipSum(node, 4);
  Values in = {sum, node.In(2)};
  if (node.In(3)) in.push_back(node.In(3));
  node.SetOutput(0, node.Emit("layer_normalization", in, NormAttrs(node, 1e-12)));
  return {};
}

// Inputs: input_ids, segment_ids, word, position and segment tables, gamma,
// beta, mask, position_ids. Outputs: the norm, the mask's lengths, the sum.
Status ImportEmbedLayerNorm(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(1));
  for (const size_t i : {size_t{2}, size_t{3}, size_t{5}, size_t{6}})
    if (!node.In(i)) return node.Bad("needs input ", i, ", which is missing");
  const ir::Attrs rows = {{"axis", int64_t{0}}};
  ir::Value* sum = node.Emit("gather", {node.In(2), node.In(0)}, rows);
  ir::Value* positions = node.In(8);
  if (!positions) {
    positions = node.Emit("range", {node.Scalar(int64_t{0}), node.DimOf(node.In(0), 1), node.Scalar(int64_t{1})});
    positions = node.Unsqueeze(positions, {0});
  }
  sum = node.Add(sum, node.Emit("gather", {node.In(3), positions}, rows));
  if (node.In(1) && node.In(4)) sum = node.Add(sum, node.Emit("gather", {node.In(4), node.In(1)}, rows));
  node.SetOutput(0, node.Emit("layer_normalization", {sum, node.In(5), node.In(6)}, NormAttrs(node, 1e-12)));
  if (node.Wants(1)) {
    if (!node.In(7) || node.Int("mask_index_type", 1) != 1) return node.Refuse("mask_index needs a mask, and type 1");
    node.SetOutput(1, node.Emit("reduce_sum", {node.In(7), node.Ints({1})}, {{"keepdims", int64_t{0}}}));
  }
  node.SetOutput(2, sum);
  return {};
}

}  // namespace hasten::onnx_import
