// Already quantized models are refused by name: their weights would be
// quantized twice. The operators themselves run on activations.
#include "compiler/onnx/op_table.h"
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {
namespace {

constexpr std::string_view kFix = "the model is already quantized; give the fp32, fp16 or bf16 model, hasten quantizes it itself";

}  // namespace

// DequantizeLinear, MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv.
Status ImportQuantized(NodeImport& node) {
  const size_t weight = node.op == "DequantizeLinear" ? 0 : node.op.starts_with("QLinear") ? 3 : 1;
  const ir::Value* w = node.In(weight);
  if (w && w->is_weight() && w->type.rank() >= 2) return node.Refuse(kFix);
  return Direct(node);
}

Status RefuseQuantized(NodeImport& node) { return node.Refuse(kFix); }

}  // namespace hasten::onnx_import
