// Fusion of semantic ops: what the runtime does in one instruction or one pass
// over memory. Structural rewrites over the graph that recognition made.
#pragma once

#include "compiler/ir/graph.h"
#include "passes/pass.h"

namespace hasten::passes {

// add(linear(x), vector) -> linear(x, bias), where nobody else reads the linear.
Status FuseBias(ir::Graph& graph, PassContext& context);
// Linears that read the same rows -> one linear, its parts slice_cols (QKV; gate and up).
Status FuseLinears(ir::Graph& graph, PassContext& context);
// mul(act(gate), up) -> gated_act(gate, up).
Status FuseGatedAct(ir::Graph& graph, PassContext& context);

}  // namespace hasten::passes
