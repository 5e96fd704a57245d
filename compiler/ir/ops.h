// The table of IR ops: what may stand in a graph, how many operands it takes,
// how its type follows from its operands', and how a fused op decomposes.
// Rows are in ops.def; adding an op is a row, a file under ops/, and its
// evaluation under compiler/interp/ops/.
#pragma once

#include <span>
#include <string_view>

#include "compiler/ir/graph.h"
#include "compiler/ir/shape_values.h"

namespace hasten::ir {

class InferContext;   // infer.h

struct OpInfo {
  std::string_view name;
  int min_inputs, max_inputs;    // max -1: variadic
  int min_outputs, max_outputs;
  bool semantic;                 // made by recognition, not by import
  // Sets the outputs' types from the inputs' types and constant inputs; leaves
  // what it cannot know unknown. Null: outputs stay as they are. A contradiction
  // is kBadInput with "[op] what: needed, came (node loc)".
  Status (*infer)(InferContext& context);
  // Attribute and operand checks beyond the counts; null: none.
  Status (*verify)(const Node& node);
  // Replaces the node by simple ops, its specification; null: it is simple.
  Status (*decompose)(Graph& graph, Node& node);
};

const OpInfo* FindOp(std::string_view name);   // null when unknown
std::span<const OpInfo> AllOps();

// Infers every node's types in order (symbolic dims included). `values`, when not
// null, receives the symbolic elements of small integer tensors.
Status InferTypes(Graph& graph, ShapeValues* values = nullptr);
// Structure (uses, order, uniqueness, operand counts), ops known, types
// consistent. kInternal with the node and loc: a graph that fails was made wrong.
Status Verify(const Graph& graph);

}  // namespace hasten::ir
