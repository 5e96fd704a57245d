// The table of ops.h from ops.def, and inference over a whole graph.
#include "compiler/ir/ops.h"

#include <unordered_map>
#include <variant>

#include "compiler/ir/infer.h"
#include "compiler/ir/ops/rules.h"

namespace hasten::ir {
namespace {

constexpr OpInfo kOps[] = {
#define HST_OP(name, min_in, max_in, min_out, max_out, infer) \
  {#name, min_in, max_in, min_out, max_out, false, infer, nullptr, nullptr},
#define HST_SEMANTIC(name, min_in, max_in, min_out, max_out, infer, verify) \
  {#name, min_in, max_in, min_out, max_out, true, infer, verify, nullptr},
#include "compiler/ir/ops.def"
#undef HST_OP
#undef HST_SEMANTIC
};

Status CheckCounts(const Node& node, const OpInfo& op) {
  const auto outside = [](size_t n, int least, int most) {
    return n < static_cast<size_t>(least) || (most >= 0 && n > static_cast<size_t>(most));
  };
  if (outside(node.inputs().size(), op.min_inputs, op.max_inputs))
    return BadInput("[", node.op, "] has ", node.inputs().size(), " inputs (node \"", node.loc, "\")");
  if (outside(node.outputs().size(), op.min_outputs, op.max_outputs))
    return BadInput("[", node.op, "] has ", node.outputs().size(), " outputs (node \"", node.loc, "\")");
  for (int i = 0; i < op.min_inputs; ++i)
    if (!node.input(static_cast<size_t>(i)) && node.op != "linear")
      return BadInput("[", node.op, "] input ", i, " is missing (node \"", node.loc, "\")");
  return {};
}

Status InferNode(Node& node, ShapeValues& values) {
  const OpInfo* op = FindOp(node.op);
  if (!op) return Unsupported("[", node.op, "] is no known op (node \"", node.loc, "\")");
  HST_RETURN_IF_ERROR(CheckCounts(node, *op));
  if (!op->infer) return {};
  InferContext context(node, values);
  try {
    return op->infer(context);
  } catch (const std::bad_variant_access&) {
    return context.Error("an attribute has another kind than the op needs");
  }
}

}  // namespace

const OpInfo* FindOp(std::string_view name) {
  static const auto index = [] {
    std::unordered_map<std::string_view, const OpInfo*> map;
    for (const OpInfo& op : kOps) map.emplace(op.name, &op);
    return map;
  }();
  const auto it = index.find(name);
  return it == index.end() ? nullptr : it->second;
}

std::span<const OpInfo> AllOps() { return kOps; }

Status InferTypes(Graph& graph, ShapeValues* values) {
  ShapeValues own;
  ShapeValues& known = values ? *values : own;
  for (const auto& node : graph.nodes()) HST_RETURN_IF_ERROR(InferNode(*node, known));
  return {};
}

}  // namespace hasten::ir
