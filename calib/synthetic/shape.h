// A decoder by its sizes alone, and the graph that recognition and fusion would
// leave of such a model. Its weights have sizes and no values: whoever packs them
// makes the values up (write.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "compiler/ir/graph.h"
#include "runtime/base/status.h"

namespace hasten::calib {

struct SyntheticShape {
  std::string_view name;
  int64_t layers, hidden, heads, kv_heads, head_dim, mlp, vocab;
  bool tied, qk_norm;
  double rope_theta, eps;
  int64_t max_positions;
};

std::span<const SyntheticShape> AllShapes();   // the rows of shapes.def
std::string ShapeNames();                      // "llama-1b, llama-8b, ..."
Result<const SyntheticShape*> FindShape(std::string_view name);   // kUsage, lists the names

// kResource when the process may not reserve addresses as large as the largest
// weight (they are never backed by memory, and reading one is a fault).
Result<std::unique_ptr<ir::Graph>> SyntheticGraph(const SyntheticShape& shape);

}  // namespace hasten::calib
