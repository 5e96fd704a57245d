// Which rows a value has, and in which buffer: what the lowering of every op
// stands on. A row is a token's, or an output's where no attention reads it.
#pragma once

#include <map>
#include <set>
#include <tuple>

#include "compiler/plan/plan.h"
#include "compiler/plan/tensors.h"

namespace hasten::plan {

class RowPlanner {
 public:
  RowPlanner(const ir::Graph& graph, const PlanOptions& options) : graph_(graph), options_(options), table_(plan_.tensors) {}

 protected:
  // Values whose every token row is needed, because an attention reads them.
  void FindTokenRows();
  bool OnTokens(const ir::Node& n) const { return token_rows_.count(n.output()) != 0; }

  int NewBuffer(int64_t cols, bool tokens);
  void Push(InstrPlan instr, const ir::Node& node);
  // A fresh buffer for the node's result.
  ViewPlan Define(const ir::Node& n);
  // The operand as rows of the domain that the node works on.
  ViewPlan Use(const ir::Value* v, bool tokens, const ir::Node& node);
  // The rows quantized for an integer linear; readers of the same rows in the same
  // form share them, and each further form is an instruction more.
  ViewPlan Quantized(const ir::Value* x, const ViewPlan& rows, const TensorChoice& choice, const ir::Node& n);

  const ir::Graph& graph_;
  const PlanOptions& options_;
  ProgramPlan plan_;
  TensorTable table_;
  std::set<const ir::Value*> token_rows_;
  std::map<const ir::Value*, ViewPlan> views_, selected_;
  std::map<std::tuple<const ir::Value*, int, int64_t, bool>, ViewPlan> quantized_;
};

}  // namespace hasten::plan
