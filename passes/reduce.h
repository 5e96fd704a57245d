// Makes a graph small while something stays true of it (a pass fails on it in
// the same way): delta debugging over its nodes (Zeller, Hildebrandt 2002,
// ddmin). What a dropped node made becomes an input; unread weights go.
#pragma once

#include <functional>
#include <memory>

#include "compiler/ir/graph.h"

namespace hasten::passes {

struct ReduceLimits {
  int trials = 400;
  double seconds = 3;
};

// `holds` gets a candidate of its own, which it may change. The result is the
// smallest graph found within the limits for which it held, at worst a copy.
std::unique_ptr<ir::Graph> Reduce(const ir::Graph& graph, const std::function<bool(ir::Graph&)>& holds, const ReduceLimits& limits = {});

}  // namespace hasten::passes
