// Control flow that is none: an If whose condition, and a Loop whose trip count
// follow from constants (and from shapes that are) is inlined. Others are refused.
#include "onnx.pb.h"

#include "compiler/onnx/graph_importer.h"
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {
namespace {

constexpr int64_t kMaxTrips = 256;

std::optional<int64_t> ConstantInt(const NodeImport& node, ir::Value* v) {
  const std::optional<ir::Tensor> t = node.Constant(v);
  return t && t->elements() == 1 ? std::optional<int64_t>(t->IntAt(0)) : std::nullopt;
}

}  // namespace

// If (opsets 13 to 24).
Status ImportIf(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(1));
  for (const char* branch : {"then_branch", "else_branch"})
    if (!node.graphs.count(branch)) return node.Bad("has no ", branch);
  const std::optional<int64_t> condition = ConstantInt(node, node.In(0));
  if (!condition) return node.Refuse("the condition depends on the input; only constant conditions are supported (export without control flow)");
  const onnx::GraphProto& branch = *node.graphs.find(*condition ? "then_branch" : "else_branch")->second;
  HST_ASSIGN_OR_RETURN(node.outputs, node.importer().Inline(branch, {}, node.loc));
  return {};
}

// Loop (opsets 13 to 24): inputs M, cond, carried...; body (i, cond, carried...) ->
// (cond, carried..., scanned...); scanned outputs are stacked on a new axis 0.
Status ImportLoop(NodeImport& node) {
  const auto body = node.graphs.find("body");
  if (body == node.graphs.end()) return node.Bad("has no body");
  const std::optional<int64_t> trips = node.In(0) ? ConstantInt(node, node.In(0)) : std::nullopt;
  std::optional<int64_t> condition = node.In(1) ? ConstantInt(node, node.In(1)) : std::optional<int64_t>(1);
  if (!trips || !condition)
    return node.Refuse("the number of iterations depends on the input; only constant ones are supported (export without control flow)");
  if (*trips > kMaxTrips) return node.Refuse("has ", *trips, " iterations, at most ", kMaxTrips, " are unrolled");
  Values carried(node.inputs.begin() + static_cast<int64_t>(std::min<size_t>(2, node.inputs.size())), node.inputs.end());
  const int outputs = body->second->output_size();
  if (outputs < 1 + static_cast<int>(carried.size())) return node.Bad("its body has ", outputs, " outputs, needs ", carried.size() + 1, " or more");
  const size_t scans = static_cast<size_t>(outputs) - 1 - carried.size();
  std::vector<Values> scanned(scans);
  ir::Value* condition_value = node.Scalar(DType::kBool, 1);
  for (int64_t i = 0; i < *trips && *condition; ++i) {
    Values in = {node.Scalar(i), condition_value};
    in.insert(in.end(), carried.begin(), carried.end());
    HST_ASSIGN_OR_RETURN(const Values out, node.importer().Inline(*body->second, in, StrCat(node.loc, "/", i)));
    condition = ConstantInt(node, out[0]);
    if (!condition) return node.Refuse("the condition to go on depends on the input; only constant ones are supported");
    condition_value = out[0];
    for (size_t c = 0; c < carried.size(); ++c) carried[c] = out[1 + c];
    for (size_t s = 0; s < scans; ++s) scanned[s].push_back(node.Unsqueeze(out[1 + carried.size() + s], {0}));
  }
  node.outputs = carried;
  for (const Values& parts : scanned) {
    if (parts.empty()) return node.Refuse("runs no iteration, and its stacked outputs have no shape then");
    node.outputs.push_back(node.Concat(parts, 0));
  }
  return {};
}

}  // namespace hasten::onnx_import
