// A network as blocks that can be trained one after another.
#pragma once

#include <cstddef>
#include <vector>

#include "calib/grad/network.h"
#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"
#include "passes/quant/rtn.h"

namespace hasten::calib {

// Nodes [begin, end) of the graph, one attention at most where it can be cut so.
struct Block {
  size_t begin = 0, end = 0;
  const ir::Value* in = nullptr;    // the only value it gets that weights have a part in; null: it is the first
  const ir::Value* out = nullptr;   // the only one that it gives
  std::vector<int> tensors;         // of its linears, read nowhere else, whose codes have fractions
};

// Up to the linear that makes the main output, where there is one. Empty for a graph that
// cannot be cut before it.
std::vector<Block> BlocksOf(const ir::Graph& graph, const plan::ProgramPlan& plan, const Network& network, const std::vector<passes::OwnedCodes>& codes);

}  // namespace hasten::calib
