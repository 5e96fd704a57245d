// The gated MLP's product (Shazeer 2020, arXiv:2002.05202) in one pass over the
// rows: the same two roundings, one read and one write less.
#include "passes/fusion/fusion.h"

namespace hasten::passes {

using ir::Node;
using ir::Value;

Status FuseGatedAct(ir::Graph& graph, PassContext& context) {
  std::vector<Node*> products;
  for (const auto& n : graph.nodes())
    if (n->op == "mul") products.push_back(n.get());
  for (Node* mul : products) {
    context.At(mul);
    for (size_t i : {size_t{0}, size_t{1}}) {
      Value *activated = mul->input(i), *up = mul->input(1 - i);
      Node* act = activated->def();
      if (!act || act->op != "act" || up->is_weight() || activated->users().size() != 1 || graph.IsOutput(activated) ||
          up->type != activated->type)
        continue;
      Node* gated = graph.AddNode("gated_act", {act->input(0), up}, 1, {{"act", act->Str("kind", "")}}, mul->loc, mul);
      gated->output()->type = mul->output()->type;
      graph.ReplaceAllUses(mul->output(), gated->output());
      graph.EraseNode(mul);
      graph.EraseNode(act);
      context.Count("fused");
      break;
    }
  }
  return {};
}

}  // namespace hasten::passes
