#include "calib/allocate/gradient_items.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "calib/grad/predict.h"

namespace hasten::calib {
namespace {

// The instruction's tensor of each linear and embed: instructions stand in the order of the nodes.
std::map<const ir::Node*, size_t> TensorOfNodes(const ir::Graph& graph, const plan::ProgramPlan& plan) {
  std::vector<int> linears, embeds;
  for (const plan::InstrPlan& in : plan.instrs) {
    if (in.kind == plan::InstrKind::kLinear) linears.push_back(in.tensor);
    if (in.kind == plan::InstrKind::kEmbed) embeds.push_back(in.tensor);
  }
  std::map<const ir::Node*, size_t> tensors;
  size_t l = 0, e = 0;
  for (const auto& node : graph.nodes()) {
    if (node->op == "linear") tensors[node.get()] = static_cast<size_t>(linears.at(l++));
    if (node->op == "embed") tensors[node.get()] = static_cast<size_t>(embeds.at(e++));
  }
  return tensors;
}

}  // namespace

Result<std::vector<double>> PredictItems(ir::Graph& graph, const Chunks& samples, std::span<const Item> items, Scheme probe,
                                         const std::atomic<bool>* cancel, ThreadPool& pool) {
  plan::PlanOptions options;
  options.weights = options.head = options.embed = Scheme::kF32;
  options.kv = KvType::kF32;
  HST_ASSIGN_OR_RETURN(const plan::ProgramPlan plan, plan::MakePlan(graph, options));
  const std::map<const ir::Node*, size_t> tensors = TensorOfNodes(graph, plan);
  std::map<size_t, size_t> candidate_of;   // by tensor
  std::vector<WeightChange> candidates;
  for (const Item& item : items)
    for (const Use& use : item.uses) {
      const size_t at = tensors.at(use.node);
      if (!candidate_of.try_emplace(at, candidates.size()).second) continue;
      const plan::TensorPlan& t = plan.tensors[at];
      std::vector<float> w(static_cast<size_t>(t.n * t.k));
      t.GatherRows(0, t.n, w.data());
      candidates.push_back({at, probe, {}});
      HST_RETURN_IF_ERROR(passes::QuantizeRtn(probe, t.n, t.k, w, &candidates.back().codes).Annotate(StrCat("weight \"", t.name, "\"")));
    }
  PredictOptions predict;
  predict.cancel = cancel;
  HST_ASSIGN_OR_RETURN(const std::vector<std::vector<double>> rows, PredictDivergence(graph, plan, samples, candidates, predict, pool));
  std::vector<double> costs;
  for (const Item& item : items) {
    double cost = 0;
    std::vector<std::pair<size_t, int64_t>> seen;   // a table that is the head too has one gradient for both
    for (const Use& use : item.uses) {
      const std::pair<size_t, int64_t> part{tensors.at(use.node), use.begin};
      if (std::find(seen.begin(), seen.end(), part) != seen.end()) continue;
      seen.push_back(part);
      const auto first = rows[candidate_of.at(part.first)].begin() + use.begin;
      cost = std::accumulate(first, first + use.n, cost);
    }
    costs.push_back(cost);
  }
  return costs;
}

}  // namespace hasten::calib
