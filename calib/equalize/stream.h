// The residual stream: every value whose channels are those of the token table's
// columns, through norms, sums and activations, and all weights that meet them. One
// order of channels may be chosen for all of them together.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "calib/equalize/rewrite.h"
#include "compiler/ir/graph.h"

namespace hasten::calib {

struct Stream {
  int64_t channels = 0;
  std::vector<ir::Value*> tables;    // embeds': columns are channels
  std::vector<ir::Value*> readers;   // linears' matrices: inputs are channels
  std::vector<ir::Value*> writers;   // linears' matrices: whole outputs are channels
  std::vector<ir::Value*> vectors;   // norms, biases, addends
};

// False, with the reason, where some node or output would see the order.
bool FindStream(const ir::Graph& graph, Stream* stream, std::string* why);

// Carries the order out. `tied`: of a table, the linear's matrix that holds the same
// values stored the other way: they stay one.
Status ReorderStream(const Stream& stream, const Change& order, const std::map<const ir::Value*, ir::Value*>& tied, ir::Graph& graph, Rewriter& rewriter);

}  // namespace hasten::calib
