// Compares a graph with what a pass made of it, by interpreting both on the
// same seeded inputs. Both run with f16 and bf16 widened to f32: a pass is held
// to the model's mathematics, not to where a half rounds.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compiler/interp/interp.h"
#include "compiler/ir/graph.h"
#include "passes/feeds.h"
#include "passes/pass.h"
#include "runtime/base/status.h"

namespace hasten::passes {

// Tensors by the names of graph inputs or outputs.
struct Named {
  std::vector<std::string> names;
  std::vector<ir::Tensor> values;
};

// Seeded inputs of a graph as it is before any pass.
Result<Named> MakeFeeds(const ir::Graph& graph, const SymbolValues& given, uint64_t seed);
// The graph's outputs on those of the feeds that it still has as inputs, in the
// dtype it has them. kInternal for an input that the feeds lack.
Result<Named> Evaluate(interp::Interpreter& interpreter, const ir::Graph& graph, const Named& feeds);

// Ok when `after` is within `numerics` of `before`, for each output that both
// have by name; kInternal names the output and its worst element otherwise.
// `error`: the largest |after - before| / max(1, max|before|).
Status CompareOutputs(const Named& before, const Named& after, Numerics numerics, double* error);

}  // namespace hasten::passes
