// A vector added to a linear's result becomes its bias: one rounding at the same
// place, so the bits stay.
#include "passes/fusion/fusion.h"

namespace hasten::passes {

using ir::Node;
using ir::Value;

namespace {

bool IsVectorOf(const Value* v, int64_t n) {
  return v->is_weight() && v->weight().dtype() == DType::kF32 && v->weight().rank() == 1 && v->weight().dim(0) == n;
}

}  // namespace

Status FuseBias(ir::Graph& graph, PassContext& context) {
  std::vector<Node*> adds;
  for (const auto& n : graph.nodes())
    if (n->op == "add") adds.push_back(n.get());
  for (Node* add : adds) {
    context.At(add);
    for (size_t i : {size_t{0}, size_t{1}}) {
      Value *row = add->input(i), *vector = add->input(1 - i);
      Node* linear = row->def();
      if (!linear || linear->op != "linear" || linear->input(1) || row->users().size() != 1 || graph.IsOutput(row)) continue;
      const bool rows = row->type.ranked && row->type.rank() == 3 && row->type.shape.back();
      const auto n = rows ? row->type.shape.back()->AsConst() : std::nullopt;
      if (!n || !IsVectorOf(vector, *n)) continue;
      linear->SetInput(1, vector);
      graph.ReplaceAllUses(add->output(), row);
      graph.EraseNode(add);
      context.Count("fused");
      break;
    }
  }
  return {};
}

}  // namespace hasten::passes
