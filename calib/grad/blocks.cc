#include "calib/grad/blocks.h"

#include <set>
#include <unordered_map>
#include <utility>

#include "calib/eval/reference.h"

namespace hasten::calib {
namespace {

using ir::Value;

struct Cut {
  size_t at = 0;   // the node that follows
  const Value* value = nullptr;
};

// After each node the cut there, whose value is null where there is none: when what
// follows reads any number of such values but one.
std::vector<Cut> CutsOf(const ir::Graph& graph, const Network& network) {
  std::unordered_map<const Value*, size_t> last;
  size_t at = 0;
  for (const auto& node : graph.nodes()) {
    for (const Value* v : node->inputs()) last[v] = at;
    ++at;
  }
  std::vector<Cut> cuts;
  std::set<const Value*> needed;
  for (const auto& node : graph.nodes()) {
    const size_t i = cuts.size();
    for (const Value* v : node->inputs())
      if (last.at(v) == i) needed.erase(v);
    for (const Value* v : node->outputs())
      if (network.Differentiable(i) && last.contains(v)) needed.insert(v);
    cuts.push_back({i + 1, needed.size() == 1 ? *needed.begin() : nullptr});
  }
  return cuts;
}

}  // namespace

std::vector<Block> BlocksOf(const ir::Graph& graph, const plan::ProgramPlan& plan, const Network& network, const std::vector<passes::OwnedCodes>& codes) {
  const std::vector<Cut> cuts = CutsOf(graph, network);
  const Value* output = graph.outputs()[MainOutput(graph)];
  std::vector<Block> blocks;
  Cut last;
  const auto close = [&] {
    const size_t begin = blocks.empty() ? 0 : blocks.back().end;
    if (last.at > begin) blocks.push_back({begin, last.at, blocks.empty() ? nullptr : blocks.back().out, last.value, {}});
  };
  bool attention = false;   // since the last block's end
  size_t at = 0;
  for (const auto& node : graph.nodes()) {
    if (node->op == "attention" && std::exchange(attention, true)) close();
    const bool end = node->output() == output;
    if (end && node->op == "linear") break;
    if (end) last = {at + 1, output};
    else if (cuts[at].value) last = cuts[at];
    ++at;
    if (end) break;
  }
  close();
  std::vector<int> readers(plan.tensors.size());
  for (const plan::InstrPlan& in : plan.instrs)
    if (in.tensor >= 0) ++readers[static_cast<size_t>(in.tensor)];
  for (Block& block : blocks)
    for (size_t i = block.begin; i < block.end; ++i) {
      const int tensor = network.LinearAt(i);
      if (tensor >= 0 && readers[static_cast<size_t>(tensor)] == 1 && !codes[static_cast<size_t>(tensor)].fraction.empty()) block.tensors.push_back(tensor);
    }
  return blocks;
}

}  // namespace hasten::calib
