// Operators that changed their spelling: older nodes are rewritten to what the
// newest opset says. Models from opset 13 on are the aim; what opsets 11 and 12
// spell as an attribute comes along.
#include "compiler/onnx/op_table.h"
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {
namespace {

// Turns an attribute of integers, which is input 1 from opset `since` on, into that input.
Status AttributeToInput(NodeImport& node, const char* name, int64_t since) {
  const auto it = node.attrs.find(name);
  if (it == node.attrs.end()) return {};
  if (node.opset >= since) return node.Bad("attribute \"", name, "\" is an input since opset ", since);
  const auto values = std::get<std::vector<int64_t>>(it->second);
  node.attrs.erase(it);
  node.inputs.resize(1);
  if (!values.empty()) node.inputs.push_back(node.Ints(values));
  return {};
}

}  // namespace

// Reduce*: `axes` became an input in opset 18, of ReduceSum in 13.
Status ImportReduce(NodeImport& node) {
  HST_RETURN_IF_ERROR(AttributeToInput(node, "axes", node.op == "ReduceSum" ? 13 : 18));
  return Direct(node);
}

// Squeeze and Unsqueeze: `axes` became an input in opset 13.
Status ImportAxes(NodeImport& node) {
  HST_RETURN_IF_ERROR(AttributeToInput(node, "axes", 13));
  return Direct(node);
}

// Scatter (opset 9) was renamed ScatterElements.
Status ImportScatter(NodeImport& node) {
  node.op = "ScatterElements";
  return Direct(node);
}

// Upsample (opset 9) is Resize with asymmetric coordinates.
Status ImportUpsample(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(2));
  const ir::Attrs attrs = {{"mode", node.Str("mode", "nearest")},
                           {"coordinate_transformation_mode", std::string("asymmetric")},
                           {"nearest_mode", std::string("floor")}};
  node.SetOutput(0, node.Emit("resize", {node.In(0), nullptr, node.In(1)}, attrs));
  return {};
}

// Split: `num_outputs` (opset 18) was the number of the node's outputs before.
Status ImportSplit(NodeImport& node) {
  HST_RETURN_IF_ERROR(AttributeToInput(node, "split", 13));
  const auto outs = static_cast<int64_t>(node.output_names.size());
  if (node.In(1)) {
    if (node.HasAttr("num_outputs")) return node.Bad("has both split sizes and num_outputs");
  } else if (!node.HasAttr("num_outputs")) {
    node.attrs["num_outputs"] = outs;
  } else if (node.Int("num_outputs", 0) < outs || node.Int("num_outputs", 0) > 4096) {
    return node.Bad("num_outputs is ", node.Int("num_outputs", 0), ", the node has ", outs, " outputs");
  }
  if (const int64_t all = node.Int("num_outputs", 0); all > outs) node.output_names.resize(static_cast<size_t>(all));
  return Direct(node);
}

// GroupNormalization: opset 18 had a scale and a bias for each group, 21 has them for each channel.
Status ImportGroupNormalization(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(3));
  if (node.opset < 21) {
    const int64_t groups = node.Int("num_groups", 0);
    if (groups < 1) return node.Bad("num_groups is ", groups);
    ir::Value* channels = node.Unsqueeze(node.DimOf(node.In(0), 1), {0});
    ir::Value* each = node.Emit("div", {channels, node.Ints({groups})});
    for (size_t i = 1; i <= 2; ++i) {
      ir::Value* wide = node.Emit("expand", {node.Reshape(node.In(i), {groups, 1}), node.Concat({node.Ints({groups}), each}, 0)});
      node.inputs[i] = node.Reshape(wide, {-1});
    }
  }
  return Direct(node);
}

// BatchNormalization: before opset 14 an inference node could name the outputs of training.
Status ImportBatchNormalization(NodeImport& node) {
  if (node.opset < 14 && node.output_names.size() > 1) return node.Refuse("only inference is supported: it has outputs of training");
  return Direct(node);
}

// DFT: `axis` became an input in opset 20; its default was 1 and is -2 now.
Status ImportDft(NodeImport& node) {
  if (node.opset < 20) {
    node.inputs.resize(3, nullptr);
    node.inputs[2] = node.Scalar(node.Int("axis", 1));
    node.attrs.erase("axis");
  }
  return Direct(node);
}

// GridSample: opset 20 renamed the modes.
Status ImportGridSample(NodeImport& node) {
  const std::string mode = node.Str("mode", "linear");
  if (mode == "bilinear") node.attrs["mode"] = std::string("linear");
  if (mode == "bicubic") node.attrs["mode"] = std::string("cubic");
  return Direct(node);
}

// RoiAlign: before opset 16 there was no half-pixel shift.
Status ImportRoiAlign(NodeImport& node) {
  if (node.opset < 16) node.attrs["coordinate_transformation_mode"] = std::string("output_half_pixel");
  return Direct(node);
}

}  // namespace hasten::onnx_import
