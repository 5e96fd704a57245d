// One spelling where ONNX has several, so that later passes match one: split
// with known sizes becomes slices, flatten a reshape, a constant of one element
// in elementwise arithmetic a scalar. All exact. Gemm, LayerNormalization, Gelu
// and the like stay: they say more than their expansion.
#include <algorithm>
#include <array>

#include "passes/graph/match.h"
#include "passes/pass.h"

namespace hasten::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::Value;

Value* Ints(Graph& graph, const std::string& name, std::vector<int64_t> v) {
  return graph.AddWeight(name, ir::Tensor::From<int64_t>({static_cast<int64_t>(v.size())}, v));
}

void SplitToSlices(Graph& graph, Node* n, PassContext& context) {
  const ir::Type& in = n->input(0)->type;
  if (!in.ranked || in.rank() == 0) return;
  int64_t axis = n->Int("axis", 0);
  if (axis < 0) axis += in.rank();
  if (axis < 0 || axis >= in.rank()) return;
  std::vector<int64_t> sizes;
  for (const Value* out : n->outputs()) {
    if (!out->type.ranked || out->type.rank() != in.rank()) return;
    const ir::Dim& d = out->type.shape[static_cast<size_t>(axis)];
    if (!d || !d->AsConst() || *d->AsConst() < 0) return;
    sizes.push_back(*d->AsConst());
  }
  Value* const axes = Ints(graph, "axes", {axis});
  int64_t begin = 0;
  std::vector<std::pair<Value*, std::string>> renames;
  for (size_t i = 0; i < sizes.size(); ++i) {
    Value* const out = n->output(i);
    const int64_t end = begin + sizes[i];
    if (!out->users().empty() || graph.IsOutput(out)) {
      Node* slice = graph.AddNode("slice", {n->input(0), Ints(graph, "begin", {begin}), Ints(graph, "end", {end}), axes},
                                  {out->name}, {}, n->loc, n);
      slice->output()->type = out->type;
      slice->output()->loc = out->loc;
      renames.emplace_back(slice->output(), out->name);
      graph.ReplaceAllUses(out, slice->output());
    }
    begin = end;
  }
  graph.EraseNode(n);
  for (auto& [value, name] : renames) graph.Rename(value, name);
  context.Count("split");
}

// flatten at `axis`: [-1, C] or [R, -1] when one side is known, [0, -1] at 1.
void FlattenToReshape(Graph& graph, Node* n, PassContext& context) {
  const ir::Type &in = n->input(0)->type, &out = n->output()->type;
  if (!in.ranked || in.rank() == 0 || !out.ranked || out.rank() != 2) return;
  const auto known = [](const ir::Dim& d) { return d ? d->AsConst().value_or(0) : 0; };
  const int64_t rows = known(out.shape[0]), cols = known(out.shape[1]);
  std::array<int64_t, 2> target{};
  if (cols > 0) target = {rows > 0 ? rows : -1, cols};
  else if (rows > 0) target = {rows, -1};
  else if (n->Int("axis", 1) == 1 && !MayBeEmpty(in.shape[0])) target = {0, -1};
  else return;
  n->op = "reshape";
  n->attrs.erase("axis");
  n->SetInputs({n->input(0), Ints(graph, StrCat(n->output()->name, "_shape"), {target[0], target[1]})});
  context.Count("flatten");
}

bool IsElementwiseBinary(std::string_view op) {
  constexpr std::array<std::string_view, 14> kOps = {"add", "sub", "mul", "div", "pow", "min", "max", "equal", "greater",
                                                     "greater_or_equal", "less", "less_or_equal", "and", "or"};
  return std::find(kOps.begin(), kOps.end(), op) != kOps.end();
}

// A constant [1], [1,1] ... that does not raise the result's rank becomes [].
void ScalarOperand(Graph& graph, Node* n, PassContext& context) {
  if (!IsElementwiseBinary(n->op) || n->inputs().size() != 2) return;
  for (size_t i = 0; i < 2; ++i) {
    Value *constant = n->input(i), *other = n->input(1 - i);
    if (!constant->is_weight() || constant->weight().elements() != 1 || constant->weight().rank() == 0) continue;
    if (!other->type.ranked || other->type.rank() < constant->weight().rank()) continue;
    n->SetInput(i, graph.AddWeight(constant->name, constant->weight().Reshaped({})));
    context.Count("scalar");
  }
}

}  // namespace

Status Normalize(Graph& graph, PassContext& context) {
  std::vector<Node*> order;
  for (const auto& n : graph.nodes()) order.push_back(n.get());
  for (Node* n : order) {
    context.At(n);
    if (n->op == "split") SplitToSlices(graph, n, context);
    else if (n->op == "flatten") FlattenToReshape(graph, n, context);
    else ScalarOperand(graph, n, context);
  }
  return {};
}

}  // namespace hasten::passes
