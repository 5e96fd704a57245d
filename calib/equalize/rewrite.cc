#include "calib/equalize/rewrite.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "compiler/plan/plan.h"

namespace hasten::calib {
namespace {

using ir::Node;
using ir::Value;

constexpr int64_t kTile = 64;   // rows read at once

// A stored matrix, whole, as W[n, k].
plan::TensorPlan WholeOf(const Value* matrix, bool trans) {
  plan::TensorPlan t;
  t.n = matrix->weight().dim(trans ? 0 : 1), t.k = matrix->weight().dim(trans ? 1 : 0);
  t.parts = {{matrix, trans, 0, t.n}};
  return t;
}

// Rows [at, at + count) of the changed block of rows, whose first one is `begin`.
void MakeRows(const plan::TensorPlan& whole, const Change& change, int64_t begin, int64_t at, int64_t count, float* out) {
  for (int64_t i = at; i < at + count; ++i) {
    float* row = out + (i - at) * whole.k;
    const int64_t from = begin + (change.from.empty() ? i : change.from[static_cast<size_t>(i)]);
    whole.GatherRows(from, from + 1, row);
    if (change.scale.empty()) continue;
    for (int64_t c = 0; c < whole.k; ++c) row[c] *= change.scale[static_cast<size_t>(i)];
  }
  if (!change.block) return;
  std::vector<float> column(static_cast<size_t>(count));
  for (int64_t c = 0; c < whole.k; ++c) {
    for (int64_t i = 0; i < count; ++i) column[static_cast<size_t>(i)] = out[i * whole.k + c];
    Hadamard(count, change.block, column.data());
    for (int64_t i = 0; i < count; ++i) out[i * whole.k + c] = column[static_cast<size_t>(i)];
  }
}

}  // namespace

bool SeenAlike(const Value* matrix, bool* trans) {
  bool first = true;
  for (const Node* user : matrix->users()) {
    if (user->op != "linear" && user->op != "embed") return false;
    const std::vector<int64_t> stored = user->Ints("trans", {1});   // a table is [rows][columns]
    for (size_t i = 0; i < stored.size(); ++i) {
      if (user->input((user->op == "embed" ? 1 : 2) + i) != matrix) continue;
      if (!first && (stored[i] != 0) != *trans) return false;
      *trans = stored[i] != 0, first = false;
    }
  }
  return !first && std::none_of(matrix->users().begin(), matrix->users().end(), [&](const Node* n) { return n->input(0) == matrix || (n->op == "linear" && n->input(1) == matrix); });
}

// The new weight is stored [n][k]; its linears are told so.
Value* Rewriter::Replace(Value* old, ir::Tensor tensor) {
  const std::string name = old->name, loc = old->loc;
  for (Node* user : old->users()) {
    if (user->op != "linear") continue;
    std::vector<int64_t> trans = user->Ints("trans");
    for (size_t i = 0; i < trans.size(); ++i)
      if (user->input(2 + i) == old) trans[i] = 1;
    user->attrs["trans"] = std::move(trans);
  }
  Value* made = graph_.AddWeight(name, std::move(tensor));
  const auto before = folds_.find(old);
  folds_[made] = static_cast<uint8_t>(bit_ | (before == folds_.end() ? 0 : before->second));
  folds_.erase(old);
  graph_.ReplaceAllUses(old, made);
  graph_.EraseWeight(old);
  graph_.Rename(made, name);
  made->loc = loc;
  return made;
}

Result<Value*> Rewriter::Rows(Value* matrix, bool trans, const Change& change, RowOf f) {
  const plan::TensorPlan whole = WholeOf(matrix, trans);
  HST_ASSIGN_OR_RETURN(ir::Tensor made, file_.Make(whole.n, whole.k, [&](float* out) {
    pool_.Run((whole.n + kTile - 1) / kTile, 1, [&](int64_t begin, int64_t end, int) {
      std::vector<float> scratch;
      for (int64_t t = begin; t < end; ++t) {
        const int64_t first = t * kTile, last = std::min(whole.n, first + kTile);
        whole.GatherRows(first, last, out + first * whole.k);
        for (int64_t r = first; r < last; ++r) f(change, whole.k, out + r * whole.k, scratch);
      }
    });
    return Status();
  }));
  return Replace(matrix, std::move(made));
}

Result<Value*> Rewriter::Inputs(Value* matrix, bool trans, const Change& change) { return Rows(matrix, trans, change, Undo); }
Result<Value*> Rewriter::TableColumns(Value* table, const Change& change) { return Rows(table, true, change, Apply); }

Result<Value*> Rewriter::Outputs(Value* matrix, bool trans, int64_t begin, int64_t count, const Change& change) {
  const plan::TensorPlan whole = WholeOf(matrix, trans);
  const int64_t tile = change.block ? change.block : kTile;
  HST_ASSIGN_OR_RETURN(ir::Tensor made, file_.Make(whole.n, whole.k, [&](float* out) {
    whole.GatherRows(0, begin, out);
    whole.GatherRows(begin + count, whole.n, out + (begin + count) * whole.k);
    pool_.Run((count + tile - 1) / tile, 1, [&](int64_t first, int64_t last, int) {
      for (int64_t t = first; t < last; ++t)
        MakeRows(whole, change, begin, t * tile, std::min(tile, count - t * tile), out + (begin + t * tile) * whole.k);
    });
    return Status();
  }));
  return Replace(matrix, std::move(made));
}

Result<Value*> Rewriter::Vector(Value* vector, int64_t begin, int64_t count, const Change& change) {
  std::vector<float> values = vector->weight().ToFloats(), scratch;
  const std::vector<float> before = values;
  Apply(change, count, values.data() + begin, scratch);
  if (values == before) return vector;   // zeros, which others may share
  return Replace(vector, ir::Tensor::From<float>(vector->weight().dims(), values));
}

}  // namespace hasten::calib
