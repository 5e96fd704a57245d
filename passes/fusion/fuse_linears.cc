// Linears over the same rows become one: their input is quantized once, and a
// decode step has fewer barriers. Every output column keeps its own weights, so
// the bits stay.
#include <algorithm>
#include <map>

#include "passes/fusion/fusion.h"

namespace hasten::passes {

using ir::Node;
using ir::Value;

namespace {

// Columns of a linear's result, by its ranges of columns: they are what it
// computes, whatever the type beside it says.
int64_t Cols(const Node* n) {
  const std::vector<int64_t> begin = n->Ints("begin"), end = n->Ints("end");
  int64_t cols = 0;
  for (size_t i = 0; i < begin.size(); ++i) cols += end[i] - begin[i];
  return cols;
}

// Whether its parts may be moved: a graph from a text can hold weights that are
// computed or have fewer columns than it takes, or a bias and a result of other
// types than recognition makes.
bool IsJoinable(const Node* n) {
  const Value *out = n->output(), *bias = n->input(1);
  const int64_t cols = Cols(n);
  if (!out->type.ranked || out->type.rank() != 3 || out->type.shape[2] != ir::Dim(ir::Poly(cols))) return false;
  const std::vector<int64_t> end = n->Ints("end"), trans = n->Ints("trans");
  for (size_t i = 0; i < end.size(); ++i) {
    const Value* w = n->input(2 + i);
    if (!w->is_weight() || w->weight().rank() != 2 || end[i] > w->weight().dim(trans[i] ? 0 : 1)) return false;
  }
  return !bias || (bias->is_weight() && bias->weight().dtype() == DType::kF32 && bias->type == ir::Type::Of(DType::kF32, {ir::Poly(cols)}));
}

// The biases side by side, zeros where a linear has none; null when none has.
Value* JoinBias(ir::Graph& graph, const std::vector<Node*>& group) {
  if (std::none_of(group.begin(), group.end(), [](const Node* n) { return n->input(1); })) return nullptr;
  std::vector<float> values;
  for (const Node* n : group) {
    const std::vector<float> part = n->input(1) ? n->input(1)->weight().ToFloats() : std::vector<float>(static_cast<size_t>(Cols(n)), 0.0f);
    values.insert(values.end(), part.begin(), part.end());
  }
  const int64_t total = static_cast<int64_t>(values.size());
  return graph.AddWeight("bias", ir::Tensor::From<float>({total}, values));
}

void Join(ir::Graph& graph, const std::vector<Node*>& group) {
  std::vector<Value*> inputs = {group[0]->input(0), JoinBias(graph, group)};
  std::vector<int64_t> trans, begin, end;
  std::string loc;
  int64_t total = 0;
  for (const Node* n : group) {
    inputs.insert(inputs.end(), n->inputs().begin() + 2, n->inputs().end());
    for (auto [name, list] : {std::pair{"trans", &trans}, {"begin", &begin}, {"end", &end}}) {
      const auto part = n->Ints(name);
      list->insert(list->end(), part.begin(), part.end());
    }
    loc += (loc.empty() ? "" : "+") + n->loc;
    total += Cols(n);
  }
  Node* joined = graph.AddNode("linear", std::move(inputs), 1,
                               {{"trans", std::move(trans)}, {"begin", std::move(begin)}, {"end", std::move(end)}}, loc, group[0]);
  joined->output()->type = group[0]->output()->type;
  joined->output()->type.shape.back() = ir::Poly(total);
  int64_t at = 0;
  for (Node* n : group) {
    const int64_t cols = Cols(n);
    Node* part = graph.AddNode("slice_cols", {joined->output()}, 1, {{"begin", at}, {"end", at + cols}}, n->loc, group[0]);
    part->output()->type = n->output()->type;
    graph.ReplaceAllUses(n->output(), part->output());
    at += cols;
  }
  for (Node* n : group) graph.EraseNode(n);
}

}  // namespace

Status FuseLinears(ir::Graph& graph, PassContext& context) {
  std::map<const Value*, std::vector<Node*>> by_input;
  std::vector<const Value*> order;
  for (const auto& n : graph.nodes()) {
    // A linear that is an output itself (the head) stays alone: it has its own scheme.
    if (n->op != "linear" || graph.IsOutput(n->output()) || !IsJoinable(n.get())) continue;
    auto& group = by_input[n->input(0)];
    if (group.empty()) order.push_back(n->input(0));
    group.push_back(n.get());
  }
  for (const Value* x : order) {
    if (by_input[x].size() < 2) continue;
    context.At(by_input[x][0]);
    Join(graph, by_input[x]);
    context.Count("fused", static_cast<int64_t>(by_input[x].size()));
  }
  return {};
}

}  // namespace hasten::passes
