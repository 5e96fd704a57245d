#include "calib/allocate/items.h"

#include <algorithm>
#include <map>

namespace hasten::calib {
namespace {

constexpr uint64_t kLargeTensor = 1 << 20;   // starts on a page (compiler/plan/tensors.cc)

Item Single(const ir::Node& node, const ir::Value* weight, bool trans, int64_t begin, int64_t end) {
  Item item;
  item.name = weight->name;
  item.n = end - begin;
  item.k = weight->weight().dim(trans ? 1 : 0);
  item.rows.n = item.n, item.rows.k = item.k;
  item.rows.parts = {{weight, trans, begin, end}};
  item.uses = {{&node, 0, 0, item.n}};
  return item;
}

// The embed nodes of token ids and all linears, with the tensor that a plan in one
// scheme gives each: nodes that share a table have the same.
Result<std::map<const ir::Node*, int>> TensorsOf(const ir::Graph& graph) {
  plan::PlanOptions options;
  options.weights = options.head = options.embed = Scheme::kI8;
  HST_ASSIGN_OR_RETURN(const plan::ProgramPlan plan, plan::MakePlan(graph, options));
  std::vector<const plan::InstrPlan*> embeds, linears;
  for (const plan::InstrPlan& in : plan.instrs) {
    if (in.kind == plan::InstrKind::kEmbed) embeds.push_back(&in);
    if (in.kind == plan::InstrKind::kLinear) linears.push_back(&in);
  }
  std::map<const ir::Node*, int> tensors;
  size_t e = 0, l = 0;
  for (const auto& node : graph.nodes()) {
    if (node->op == "linear") tensors[node.get()] = linears.at(l++)->tensor;
    if (node->op != "embed") continue;
    const plan::InstrPlan& in = *embeds.at(e++);
    if (plan.tensors[static_cast<size_t>(in.tensor)].scheme == Scheme::kI8) tensors[node.get()] = in.tensor;   // not one of positions or types
  }
  return tensors;
}

void AddChoices(Item& item) {
  for (const Scheme scheme : AllocatableSchemes()) {
    const std::optional<uint64_t> bytes = PackedBytes(scheme, item.n, item.k);
    if (!bytes) continue;
    const uint64_t unit = *bytes >= kLargeTensor ? 4096 : 64;
    item.choices.push_back({.scheme = scheme, .bytes = (*bytes + unit - 1) / unit * unit});
  }
  std::stable_sort(item.choices.begin(), item.choices.end(), [](const Choice& a, const Choice& b) { return a.bytes < b.bytes; });
}

}  // namespace

std::vector<Scheme> AllocatableSchemes() {
  std::vector<Scheme> schemes;
  for (const SchemeInfo& info : AllSchemes())
    if (info.integer) schemes.push_back(info.scheme);
  return schemes;
}

Result<std::vector<Item>> ItemsOf(const ir::Graph& graph) {
  HST_ASSIGN_OR_RETURN(const auto tensors, TensorsOf(graph));
  std::vector<Item> items;
  std::map<std::string, size_t> by_name;
  std::map<int, size_t> by_tensor;
  const auto add = [&](Item item, int tensor, bool whole) {
    auto named = by_name.find(item.name);
    const auto shared = whole ? by_tensor.find(tensor) : by_tensor.end();
    if (named == by_name.end() && shared == by_tensor.end()) {
      by_name[item.name] = items.size();
      if (whole) by_tensor[tensor] = items.size();
      items.push_back(std::move(item));
      return;
    }
    Item& into = items[shared != by_tensor.end() ? shared->second : named->second];
    into.embed |= item.embed, into.head |= item.head;
    into.uses.push_back(item.uses[0]);
    if (shared == by_tensor.end() && !(item.rows.parts == into.rows.parts)) {   // another part of the same weight, or another head
      into.rows.parts.insert(into.rows.parts.end(), item.rows.parts.begin(), item.rows.parts.end());
      into.uses.back().row = into.n;
      into.rows.n = into.n += item.n;
    }
  };
  for (const auto& node : graph.nodes()) {
    const auto at = tensors.find(node.get());
    if (at == tensors.end()) continue;
    if (node->op == "embed") {
      Item item = Single(*node, node->input(1), true, 0, node->input(1)->weight().dim(0));
      item.name = "embed", item.embed = true;
      add(std::move(item), at->second, true);
      continue;
    }
    const auto trans = node->Ints("trans"), begin = node->Ints("begin"), end = node->Ints("end");
    const bool head = plan::IsHead(graph, node->output());
    int64_t column = 0;
    for (size_t i = 0; i < trans.size(); ++i) {
      Item item = Single(*node, node->input(2 + i), trans[i] != 0, begin[i], end[i]);
      item.uses[0].begin = column;
      if (head) item.name = "head", item.head = true;
      column += item.n;
      add(std::move(item), at->second, trans.size() == 1);
    }
  }
  for (Item& item : items) AddChoices(item);
  return items;
}

}  // namespace hasten::calib
