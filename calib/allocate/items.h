// What an allocation decides over: the token table and the parts of linears, each
// with the schemes that it may get.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/plan/plan.h"
#include "runtime/base/status.h"
#include "runtime/quant/scheme.h"

namespace hasten::calib {

// A scheme for an item: what it takes in the file, and what it is expected to cost.
struct Choice {
  Scheme scheme = Scheme::kI8;
  uint64_t bytes = 0;
  double error = 0;   // relative squared error of the outputs, rounded to nearest
  double kld = 0;     // predicted: of the item alone (encoders: relative squared error of the result)
};

// Rows [row, row + n) of an item as columns from `begin` of a linear's result, or as
// the table of an embed.
struct Use {
  const ir::Node* node = nullptr;
  int64_t begin = 0, row = 0, n = 0;
};

struct Item {
  std::string name;                 // what a rule calls it: a weight, "embed" or "head"
  bool embed = false, head = false; // both: one table that serves as either
  int64_t n = 0, k = 0;
  plan::TensorPlan rows;            // its weights; one of several uses that hold the same
  std::vector<Use> uses;            // in the graph's order
  std::vector<Choice> choices;      // by rising bytes
};

// Schemes that a budget chooses among: all with codes.
std::vector<Scheme> AllocatableSchemes();

// The items of a graph, in its order. A linear's parts are items of their own, so
// that V may get more than Q; parts of one weight are one, and a table that the
// head shares is one with it.
Result<std::vector<Item>> ItemsOf(const ir::Graph& graph);

}  // namespace hasten::calib
