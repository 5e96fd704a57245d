// Local algebra to a fixed point: removes what changes nothing and brings a few
// spellings to one. Every rule is exact, the sign of a zero aside (x + 0).
#include "passes/graph/simplify.h"

#include "passes/graph/match.h"
#include "passes/pass.h"

namespace hasten::passes {
namespace {

// Only the first result may be read: the rules say nothing of the others.
bool OnlyFirstResultUsed(const ir::Graph& graph, const ir::Node& n) {
  for (size_t i = 1; i < n.outputs().size(); ++i)
    if (!n.output(i)->users().empty() || graph.IsOutput(n.output(i))) return false;
  return !n.outputs().empty();
}

// True when something changed; `n` may be gone then.
bool ApplyOne(ir::Graph& graph, ir::Node* n, std::span<const SimplifyRule> rules, PassContext& context) {
  for (const SimplifyRule& rule : rules) {
    const Simplified s = rule.apply(graph, *n);
    if (!s.value && !s.in_place) continue;
    context.Count(rule.name);
    if (s.value) ReplaceNode(graph, n, s.value);
    return true;
  }
  return false;
}

}  // namespace

Status Simplify(ir::Graph& graph, PassContext& context) {
  constexpr int kMaxSweeps = 32;   // each sweep goes down the graph; chains collapse in one or two
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    bool changed = false;
    std::vector<ir::Node*> order;
    for (const auto& n : graph.nodes()) order.push_back(n.get());
    for (ir::Node* n : order) {
      if (!OnlyFirstResultUsed(graph, *n)) continue;
      context.At(n);
      changed |= ApplyOne(graph, n, ViewRules(), context) || ApplyOne(graph, n, MathRules(), context);
    }
    if (!changed) return {};
  }
  return {};
}

}  // namespace hasten::passes
