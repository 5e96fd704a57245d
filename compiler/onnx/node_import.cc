#include "compiler/onnx/node_import.h"

#include <algorithm>
#include <cmath>

#include "compiler/onnx/graph_importer.h"
#include "runtime/base/half.h"

namespace hasten::onnx_import {

void NodeImport::SetOutput(size_t i, ir::Value* value) {
  if (outputs.size() <= i) outputs.resize(i + 1);
  outputs[i] = value;
}

Status NodeImport::Needs(size_t count) const {
  for (size_t i = 0; i < count; ++i)
    if (!In(i)) return Bad("needs input ", i, ", which is missing");
  return {};
}

int64_t NodeImport::Int(std::string_view name, int64_t fallback) const {
  const auto it = attrs.find(name);
  return it == attrs.end() ? fallback : std::get<int64_t>(it->second);
}

double NodeImport::Float(std::string_view name, double fallback) const {
  const auto it = attrs.find(name);
  return it == attrs.end() ? fallback : std::get<double>(it->second);
}

std::string NodeImport::Str(std::string_view name, std::string_view fallback) const {
  const auto it = attrs.find(name);
  return it == attrs.end() ? std::string(fallback) : std::get<std::string>(it->second);
}

std::vector<int64_t> NodeImport::Ints(std::string_view name) const {
  const auto it = attrs.find(name);
  return it == attrs.end() ? std::vector<int64_t>() : std::get<std::vector<int64_t>>(it->second);
}

ir::Node* NodeImport::EmitNode(std::string ir_op, Values in, size_t outs, ir::Attrs a) {
  ir::Node* node = graph.AddNode(std::move(ir_op), std::move(in), outs, std::move(a), loc);
  if (status_.ok()) status_ = importer_.CountNode();
  if (status_.ok()) status_ = importer_.Infer(*node);
  return node;
}

ir::Value* NodeImport::Emit(std::string ir_op, Values in, ir::Attrs a) {
  return EmitNode(std::move(ir_op), std::move(in), 1, std::move(a))->output();
}

ir::Value* NodeImport::Ints(std::vector<int64_t> values) {
  return graph.AddWeight({}, ir::Tensor::From<int64_t>({static_cast<int64_t>(values.size())}, values));
}

ir::Value* NodeImport::Scalar(int64_t value) { return graph.AddWeight({}, ir::Tensor::Scalar(value)); }
ir::Value* NodeImport::Scalar(DType dtype, double value) { return graph.AddWeight({}, FillScalar(dtype, value)); }

ir::Value* NodeImport::Reshape(ir::Value* x, std::vector<int64_t> dims) { return Emit("reshape", {x, Ints(std::move(dims))}); }

ir::Value* NodeImport::Transpose(ir::Value* x, std::vector<int64_t> perm) {
  return Emit("transpose", {x}, {{"perm", std::move(perm)}});
}

ir::Value* NodeImport::Slice(ir::Value* x, int64_t axis, int64_t from, int64_t to, int64_t step) {
  return Emit("slice", {x, Ints({from}), Ints({to}), Ints({axis}), Ints({step})});
}

ir::Value* NodeImport::Concat(Values parts, int64_t axis) { return Emit("concat", std::move(parts), {{"axis", axis}}); }
ir::Value* NodeImport::Unsqueeze(ir::Value* x, std::vector<int64_t> axes) { return Emit("unsqueeze", {x, Ints(std::move(axes))}); }

ir::Value* NodeImport::DimOf(ir::Value* x, int64_t axis) {
  return Emit("gather", {Emit("shape", {x}), Scalar(axis)}, {{"axis", int64_t{0}}});
}

ir::Value* NodeImport::Vector(Values scalars) {
  for (ir::Value*& v : scalars) v = Unsqueeze(v, {0});
  return Concat(std::move(scalars), 0);
}

ir::Value* NodeImport::Cast(ir::Value* x, DType to) {
  return x->type.dtype == to ? x : Emit("cast", {x}, {{"to", int64_t{OnnxNumber(to)}}});
}

std::optional<ir::Tensor> NodeImport::Constant(ir::Value* value) const { return value ? importer_.Constant(value) : std::nullopt; }

int OnnxNumber(DType dtype) {
  switch (dtype) {
    case DType::kInvalid: return 0;
    case DType::kF32: return 1;
    case DType::kU8: return 2;
    case DType::kI8: return 3;
    case DType::kU16: return 4;
    case DType::kI16: return 5;
    case DType::kI32: return 6;
    case DType::kI64: return 7;
    case DType::kBool: return 9;
    case DType::kF16: return 10;
    case DType::kF64: return 11;
    case DType::kU32: return 12;
    case DType::kU64: return 13;
    case DType::kBF16: return 16;
  }
  return 0;
}

ir::Tensor FillScalar(DType dtype, double v) {
  if (!IsFloat(dtype)) v = std::isnan(v) ? 0 : std::clamp(v, -0x1p62, 0x1p62);  // an integer must hold it
  switch (dtype) {
    case DType::kF64: return ir::Tensor::Scalar(v);
    case DType::kF16:
    case DType::kBF16: {
      Result<ir::Tensor> t = ir::Tensor::Uninitialized(dtype, {});
      HST_CHECK(t.ok());
      *t->mutable_data<uint16_t>() = dtype == DType::kF16 ? FloatToHalf(static_cast<float>(v)) : FloatToBFloat(static_cast<float>(v));
      return *std::move(t);
    }
    case DType::kI8: return ir::Tensor::Scalar(static_cast<int8_t>(static_cast<int64_t>(v)));
    case DType::kI16: return ir::Tensor::Scalar(static_cast<int16_t>(static_cast<int64_t>(v)));
    case DType::kI32: return ir::Tensor::Scalar(static_cast<int32_t>(static_cast<int64_t>(v)));
    case DType::kI64: return ir::Tensor::Scalar(static_cast<int64_t>(v));
    case DType::kU8: return ir::Tensor::Scalar(static_cast<uint8_t>(static_cast<int64_t>(v)));
    case DType::kU16: return ir::Tensor::Scalar(static_cast<uint16_t>(static_cast<int64_t>(v)));
    case DType::kU32: return ir::Tensor::Scalar(static_cast<uint32_t>(static_cast<int64_t>(v)));
    case DType::kU64: return ir::Tensor::Scalar(static_cast<uint64_t>(static_cast<int64_t>(v)));
    case DType::kBool: return ir::Tensor::Scalar(v != 0);
    case DType::kF32:
    case DType::kInvalid: break;
  }
  return ir::Tensor::Scalar(static_cast<float>(v));
}

}  // namespace hasten::onnx_import
