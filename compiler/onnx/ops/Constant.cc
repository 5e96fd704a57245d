// Nodes that vanish: Constant becomes a weight, Identity and Dropout (at
// inference) an alias of their input.
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {

// Constant (opset 13): exactly one of the value attributes.
Status ImportConstant(NodeImport& node) {
  if (node.attrs.size() != 1) return node.Bad("needs exactly one value attribute, has ", node.attrs.size());
  const auto& [name, value] = *node.attrs.begin();
  ir::Tensor tensor;
  if (name == "value") {
    tensor = std::get<ir::Tensor>(value);
  } else if (name == "value_int") {
    tensor = ir::Tensor::Scalar(std::get<int64_t>(value));
  } else if (name == "value_float") {
    tensor = ir::Tensor::Scalar(static_cast<float>(std::get<double>(value)));
  } else if (name == "value_ints") {
    const auto& v = std::get<std::vector<int64_t>>(value);
    tensor = ir::Tensor::From<int64_t>({static_cast<int64_t>(v.size())}, v);
  } else if (name == "value_floats") {
    const auto& d = std::get<std::vector<double>>(value);
    const std::vector<float> v(d.begin(), d.end());
    tensor = ir::Tensor::From<float>({static_cast<int64_t>(v.size())}, v);
  } else {
    return node.Refuse("strings and sparse tensors are not supported (attribute \"", name, "\")");
  }
  const std::string output = node.output_names.empty() ? std::string() : node.output_names[0];
  node.SetOutput(0, node.graph.AddWeight(output, std::move(tensor)));
  return {};
}

Status ImportIdentity(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(1));
  node.SetOutput(0, node.In(0));
  return {};
}

// Dropout (opset 13) without training: the data, and a mask of ones.
Status ImportDropout(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(1));
  if (node.In(2)) {
    const std::optional<ir::Tensor> training = node.Constant(node.In(2));
    if (!training || training->elements() != 1 || training->IntAt(0) != 0)
      return node.Refuse("only inference is supported: export with training_mode false");
  }
  node.SetOutput(0, node.In(0));
  if (node.Wants(1)) node.SetOutput(1, node.Emit("expand", {node.Scalar(DType::kBool, 1), node.Emit("shape", {node.In(0)})}));
  return {};
}

}  // namespace hasten::onnx_import
