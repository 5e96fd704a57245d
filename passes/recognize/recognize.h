// recognize: the pass that turns an imported graph into a graph of semantic ops
// on rows (embed, rms_norm, linear, rope, attention ...), whatever exporter wrote
// it (docs/architecture.md, "Recognize"). It reads element expressions instead
// of node patterns: see expr.h, element.h and lower.h, in this order.
#pragma once

#include "compiler/ir/graph.h"
#include "passes/pass.h"

namespace hasten::passes {

// Replaces the graph. kUnsupported names every blocking node at once; the graph
// is left as it was then, but for the names of its input dimensions.
Status Recognize(ir::Graph& graph, PassContext& context);

}  // namespace hasten::passes
