// The import table: onnx_ops.def's rows, and the names that ONNX operators have
// in the IR.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "compiler/onnx/node_import.h"

namespace hasten::onnx_import {

using Converter = Status (*)(NodeImport& node);

struct OpRow {
  std::string_view domain, name;
  int since;                    // the oldest opset whose meaning the converter reads
  Converter convert;
  std::string_view attributes;  // "axis:i perm:I": i int, f float, s string, t tensor, g graph, I F S lists
};

std::span<const OpRow> OpRows();
const OpRow* FindRow(std::string_view domain, std::string_view name);   // null when unknown
// Whether the IR has the op and the interpreter runs it: a row that needs it counts only then.
bool HasOp(std::string_view ir_op);
// The kind letter of a row's attribute; nullopt when the operator has none of that name.
std::optional<char> AttributeKind(const OpRow& row, std::string_view name);
// MatMul -> mat_mul, GatherND -> gather_nd, RMSNormalization -> rms_normalization.
std::string SnakeName(std::string_view onnx_name);

// One to one: the IR op of the same name.
Status Direct(NodeImport& node);

}  // namespace hasten::onnx_import
