#include "passes/reduce.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <vector>

namespace hasten::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::Value;

// The kept nodes as a graph of their own. Kept values that are outputs, or that
// no kept node reads, are its outputs.
std::unique_ptr<Graph> Subgraph(const Graph& graph, const std::vector<const Node*>& kept) {
  auto made = std::make_unique<Graph>();
  made->name = graph.name;
  std::unordered_map<const Value*, Value*> map;
  for (const Value* in : graph.inputs()) {   // in the model's order, those that are read
    const auto reads = [&](const Node* n) { return std::find(n->inputs().begin(), n->inputs().end(), in) != n->inputs().end(); };
    if (std::any_of(kept.begin(), kept.end(), reads)) map[in] = made->AddInput(in->name, in->type);
  }
  for (const Node* n : kept) {
    std::vector<Value*> inputs;
    for (const Value* v : n->inputs()) {
      if (v && !map.count(v)) map[v] = v->is_weight() ? made->AddWeight(v->name, v->weight()) : made->AddInput(v->name, v->type);
      inputs.push_back(v ? map.at(v) : nullptr);
    }
    std::vector<std::string> outputs;
    for (const Value* v : n->outputs()) outputs.push_back(v->name);
    const Node* copy = made->AddNode(n->op, std::move(inputs), std::move(outputs), n->attrs, n->loc, nullptr);
    for (size_t i = 0; i < n->outputs().size(); ++i) {
      copy->output(i)->type = n->output(i)->type;
      map[n->output(i)] = copy->output(i);
    }
  }
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    if (const auto it = map.find(graph.outputs()[i]); it != map.end() && it->second->def()) made->AddOutput(it->second, graph.output_names()[i]);
  for (const auto& n : made->nodes())
    for (Value* v : n->outputs())
      if (v->users().empty() && !made->IsOutput(v)) made->AddOutput(v, v->name);
  return made;
}

}  // namespace

std::unique_ptr<Graph> Reduce(const Graph& graph, const std::function<bool(Graph&)>& holds, const ReduceLimits& limits) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limits.seconds));
  std::vector<const Node*> kept;
  for (const auto& n : graph.nodes()) kept.push_back(n.get());
  bool reduced = false;
  int trials = 0;
  for (size_t chunk = std::max<size_t>(kept.size() / 2, 1); !kept.empty(); chunk = std::max<size_t>(chunk / 2, 1)) {
    bool any = false;
    for (size_t at = 0; at < kept.size();) {
      if (trials++ >= limits.trials || Clock::now() > end) return reduced ? Subgraph(graph, kept) : graph.Clone();
      std::vector<const Node*> fewer(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(at));
      fewer.insert(fewer.end(), kept.begin() + static_cast<std::ptrdiff_t>(std::min(at + chunk, kept.size())), kept.end());
      if (holds(*Subgraph(graph, fewer))) {
        kept = std::move(fewer);
        reduced = any = true;
      } else {
        at += chunk;
      }
    }
    if (chunk == 1 && !any) break;   // no single node can go
  }
  return reduced ? Subgraph(graph, kept) : graph.Clone();
}

}  // namespace hasten::passes
