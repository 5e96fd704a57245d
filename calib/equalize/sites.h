// Where channels may be changed for nothing: a value that linears alone read, made by
// something whose weights take the change. A place is left out when any of its
// weights has another reader, so that nothing else can see the change.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "calib/equalize/rewrite.h"
#include "compiler/ir/graph.h"

namespace hasten::calib {

// Rows of a stored matrix that make `count` columns of a linear's result.
struct MakerRows {
  ir::Node* linear = nullptr;
  size_t input = 0;             // the matrix among its operands
  int64_t row = 0, count = 0;   // of the stored matrix
  int64_t column = 0;           // of the linear's result, and of its bias
};

enum class SiteKind {
  kNorm,      // a norm's weights scale the channels
  kGated,     // act(gate) * up: up scales them, both have their order
  kActivated, // act(linear): the order alone is free
  kHeads,     // attention: what V is, its result is, head by head
};

struct Site {
  SiteKind kind = SiteKind::kNorm;
  const ir::Value* x = nullptr;       // [tokens][channels], what the readers read
  std::vector<ir::Node*> readers;     // linears, in the graph's order
  int64_t channels = 0;
  ir::Node* norm = nullptr;           // kNorm
  std::vector<MakerRows> makers;      // up; the activated linear; V
  std::vector<MakerRows> gates;       // what follows the order and is not scaled
  int64_t heads = 1, kv_heads = 1, head_dim = 0;   // kHeads
};

// In the order of their first readers.
std::vector<Site> FindSites(const ir::Graph& graph);

// Carries a change of x out. For kHeads it is of V's channels (kv_heads * head_dim).
// kGated and kActivated take what their kind may: the caller's invariant.
Status ChangeSite(const Site& site, const Change& change, Rewriter& rewriter);
// The change of x itself.
Change ChangeOfInputs(const Site& site, const Change& change);

}  // namespace hasten::calib
