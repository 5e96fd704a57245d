// Dead code: nodes whose results nobody reads, and weights without readers.
// Graph inputs stay: they are the model's signature. IR ops have no side effects.
#include "passes/pass.h"

namespace hasten::passes {

Status Dce(ir::Graph& graph, PassContext& context) {
  std::vector<ir::Node*> order;
  for (const auto& n : graph.nodes()) order.push_back(n.get());
  for (auto it = order.rbegin(); it != order.rend(); ++it) {   // readers before what they read
    bool dead = true;
    for (const ir::Value* v : (*it)->outputs()) dead &= v->users().empty() && !graph.IsOutput(v);
    if (!dead) continue;
    graph.EraseNode(*it);
    context.Count("nodes");
  }
  for (ir::Value* w : graph.weights())
    if (w->users().empty() && !graph.IsOutput(w)) {
      graph.EraseWeight(w);
      context.Count("weights");
    }
  return {};
}

}  // namespace hasten::passes
