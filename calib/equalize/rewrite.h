// Rewrites weights of a graph for a change of channels, one matrix at a time. A
// weight keeps its name and its readers; what it held stays as it was.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "calib/equalize/change.h"
#include "calib/equalize/weight_file.h"
#include "compiler/ir/graph.h"
#include "runtime/base/status.h"
#include "runtime/base/threads.h"

namespace hasten::calib {

class Rewriter {
 public:
  Rewriter(ir::Graph& graph, WeightFile& file, ThreadPool& pool) : graph_(graph), file_(file), pool_(pool) {}

  // What changed each weight that was rewritten: the bits that `By` gave at the time.
  using Folds = std::map<const ir::Value*, uint8_t>;
  const Folds& folds() const { return folds_; }
  void By(uint8_t bit) { bit_ = bit; }

  // A matrix whose inputs (W[n, k]'s k) are the changed channels: they are undone. All
  // its readers are linears or embeds, and see it alike (`trans`). Returns the new weight.
  Result<ir::Value*> Inputs(ir::Value* matrix, bool trans, const Change& change);
  // The same for a token table, whose rows are what is changed.
  Result<ir::Value*> TableColumns(ir::Value* table, const Change& change);
  // A matrix whose rows [begin, begin + count) make the channels.
  Result<ir::Value*> Outputs(ir::Value* matrix, bool trans, int64_t begin, int64_t count, const Change& change);
  // Elements [begin, begin + count) of a vector that scales or is added to the channels.
  Result<ir::Value*> Vector(ir::Value* vector, int64_t begin, int64_t count, const Change& change);

 private:
  using RowOf = void (*)(const Change&, int64_t channels, float* row, std::vector<float>& scratch);
  Result<ir::Value*> Rows(ir::Value* matrix, bool trans, const Change& change, RowOf f);
  ir::Value* Replace(ir::Value* old, ir::Tensor tensor);

  ir::Graph& graph_;
  WeightFile& file_;
  ThreadPool& pool_;
  uint8_t bit_ = 0;
  Folds folds_;
};

// Whether the readers of a matrix are linears and embeds that see it alike.
bool SeenAlike(const ir::Value* matrix, bool* trans);

}  // namespace hasten::calib
