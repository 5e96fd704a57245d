// The rules of the simplify pass. A rule looks at one node and answers the
// value that its only used result equals (the node is then replaced), or null;
// it may instead rewrite the node in place and say so. Rules ask for proof:
// shapes that are not known leave a node alone.
#pragma once

#include <span>

#include "compiler/ir/graph.h"

namespace hasten::passes {

struct Simplified {
  ir::Value* value = nullptr;   // the node's result equals this
  bool in_place = false;        // the node was changed
};
struct SimplifyRule {
  std::string_view name;        // the counter
  Simplified (*apply)(ir::Graph& graph, ir::Node& node);
};

std::span<const SimplifyRule> ViewRules();   // simplify_views.cc: what moves no number
std::span<const SimplifyRule> MathRules();   // simplify_math.cc: arithmetic, casts, logic

}  // namespace hasten::passes
