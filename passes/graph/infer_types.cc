// Types with symbolic dims for every value, from the inputs on: run it where the
// passes before made nodes without types, and before a pass that asks for shapes.
#include "compiler/ir/ops.h"
#include "passes/pass.h"

namespace hasten::passes {

Status InferTypesPass(ir::Graph& graph, PassContext& context) {
  HST_RETURN_IF_ERROR(ir::InferTypes(graph));
  for (const auto& n : graph.nodes())
    for (const ir::Value* v : n->outputs())
      if (!v->type.ranked) context.Count("unknown rank");
  return {};
}

}  // namespace hasten::passes
