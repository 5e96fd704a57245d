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

// The outputs of one graph on its seeded inputs.
struct Outputs {
  std::vector<std::string> names;
  std::vector<ir::Tensor> values;
};
Result<Outputs> Evaluate(interp::Interpreter& interpreter, const ir::Graph& graph, const SymbolValues& symbols, uint64_t seed);

// Ok when `after` is within `numerics` of `before`, for each output that both
// have by name; kInternal names the output and its worst element otherwise.
// `error`: the largest |after - before| / max(1, max|before|).
Status CompareOutputs(const Outputs& before, const Outputs& after, Numerics numerics, double* error);

}  // namespace hasten::passes
