#include "compiler/onnx/op_table.h"

#include <algorithm>
#include <cctype>

#include "compiler/interp/interp.h"
#include "compiler/ir/ops.h"
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {
namespace {

constexpr OpRow kRows[] = {
#define HST_ONNX_OP(domain, name, since, convert, attributes) {domain, name, since, convert, attributes},
#include "compiler/onnx/onnx_ops.def"
#undef HST_ONNX_OP
};

// Converters that end in the IR op of the operator's name (ImportQuantized does too,
// but has to say first that a model is quantized).
bool KeepsItsName(Converter c) {
  constexpr Converter kAll[] = {Direct, ImportReduce, ImportAxes, ImportSplit, ImportGroupNormalization, ImportBatchNormalization,
                                ImportDft, ImportGridSample, ImportRoiAlign};
  return std::find(std::begin(kAll), std::end(kAll), c) != std::end(kAll);
}

}  // namespace

std::span<const OpRow> OpRows() { return kRows; }

const OpRow* FindRow(std::string_view domain, std::string_view name) {
  const auto it = std::find_if(std::begin(kRows), std::end(kRows),
                               [&](const OpRow& r) { return r.name == name && r.domain == domain; });
  if (it == std::end(kRows)) return nullptr;
  return KeepsItsName(it->convert) && !HasOp(SnakeName(name)) ? nullptr : it;
}

bool HasOp(std::string_view ir_op) { return ir::FindOp(ir_op) && interp::CanEvaluate(ir_op); }

std::optional<char> AttributeKind(const OpRow& row, std::string_view name) {
  for (std::string_view rest = row.attributes; !rest.empty();) {
    const std::string_view entry = rest.substr(0, rest.find(' '));
    if (entry.size() == name.size() + 2 && entry.starts_with(name)) return entry.back();
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
  }
  return std::nullopt;
}

std::string SnakeName(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    const auto at = [&](size_t j) { return j < s.size() ? static_cast<unsigned char>(s[j]) : 0; };
    const bool upper = std::isupper(at(i));
    const bool after_word = i > 0 && (std::islower(at(i - 1)) || std::isdigit(at(i - 1)));
    const bool last_of_run = i > 0 && std::isupper(at(i - 1)) && std::islower(at(i + 1));
    if (upper && (after_word || last_of_run)) out += '_';
    out += static_cast<char>(std::tolower(at(i)));
  }
  return out;
}

Status Direct(NodeImport& node) {
  const std::string op = SnakeName(node.op);
  const ir::OpInfo* info = ir::FindOp(op);
  if (!HasOp(op)) return node.Refuse("is not supported");
  const auto count = static_cast<int>(node.inputs.size()), outs = static_cast<int>(node.output_names.size());
  if (count < info->min_inputs || (info->max_inputs >= 0 && count > info->max_inputs))
    return node.Bad("has ", count, " inputs, needs ", info->min_inputs, info->max_inputs == info->min_inputs ? "" : " or more");
  HST_RETURN_IF_ERROR(node.Needs(static_cast<size_t>(info->min_inputs)));
  if (info->max_outputs >= 0 && outs > info->max_outputs) return node.Bad("has ", outs, " outputs, at most ", info->max_outputs);
  const size_t made = static_cast<size_t>(std::max(outs, info->min_outputs));
  node.outputs = node.EmitNode(op, node.inputs, made, std::move(node.attrs))->outputs();
  return {};
}

}  // namespace hasten::onnx_import
