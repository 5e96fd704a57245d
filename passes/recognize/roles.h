// What each graph input means to a language model, and the dimension names that
// recognition reasons with: B sequences, S new tokens, P cached tokens.
#pragma once

#include <map>
#include <set>

#include "compiler/ir/graph.h"

namespace hasten::recognize {

enum class Role { kTokenIds, kAttentionMask, kPositions, kTokenTypes, kPast, kOther };

struct Roles {
  std::map<const ir::Value*, Role> of;
  const ir::Value* ids = nullptr;
  bool cached = false;           // the graph has past_key_values inputs
  ir::Poly past;                 // P, or 0 without a cache
  // Ids that the graph itself leaves out when it counts positions (RoBERTa): they
  // are padding, so no sequence of the runtime has them.
  std::set<int64_t> padding;
};

// Finds the roles by name and type and renames the inputs' dimensions to B, S
// and P (sums such as P + S included). A runtime sequence has no padding, so an
// attention mask is all ones, positions are P .. P + S - 1: recognition relies
// on it. kUnsupported for an input whose role is not known.
Result<Roles> AssignRoles(ir::Graph& graph);

}  // namespace hasten::recognize
