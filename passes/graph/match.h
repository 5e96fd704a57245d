// Small questions that several graph passes ask of nodes and values.
#pragma once

#include <optional>
#include <string_view>

#include "compiler/ir/graph.h"

namespace hasten::passes {

// Ops whose result is no function of their operands and attributes.
bool IsRandom(const ir::Node& node);
bool HasNestedGraph(const ir::Node& node);
// The same dtype, dims and bytes.
bool SameTensor(const ir::Tensor& a, const ir::Tensor& b);
// The node that makes `v` when its op is `op`; else null.
ir::Node* DefinedBy(const ir::Value* v, std::string_view op);
// The value of every element of a constant when they are all the same number (a
// small constant: at most 4096 elements are looked at).
std::optional<double> UniformValue(const ir::Value* v);
// Integers of a small constant; nullopt for all else.
std::optional<std::vector<int64_t>> ConstInts(const ir::Value* v);
// Both shapes are known and provably equal.
bool SameShape(const ir::Type& a, const ir::Type& b);
// A dim that may be 0 when the graph runs: 0, unknown, or a cache's length, which
// is 0 before the first token. Batches and sequences are never empty.
bool MayBeEmpty(const ir::Dim& d);

// Puts `to` in place of the node's only result and erases the node; `to` takes
// its type when it has none.
void ReplaceNode(ir::Graph& graph, ir::Node* node, ir::Value* to);

}  // namespace hasten::passes
