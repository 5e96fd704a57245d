// The parts of a recognized attention, read from the expression of its scores.
#pragma once

#include <optional>
#include <string>

#include "passes/recognize/expr.h"

namespace hasten::recognize {

// scores(q, k) = softcap(scale * sum_r query * key), where the mask lets k be seen.
struct Scores {
  E query = nullptr, key = nullptr;   // functions of the sum's variable
  std::string var;                    // that variable
  ir::Poly head_dim;
  double scale = 1, softcap = 0;
  E visible = nullptr;                // a condition over q and k
};

// nullopt when the expression is no masked scaled dot product; `why` says so.
std::optional<Scores> ParseScores(ExprPool& pool, E e, const ir::Poly& q, const ir::Poly& k, std::string* why);

struct Mask {
  bool causal = false;
  int64_t window = 0;
};

// Proves that `visible` is exactly "all", "k <= past + q", or that with
// "k > past + q - window"; nullopt otherwise.
std::optional<Mask> ProveMask(const ExprPool& pool, E visible, const ir::Poly& past, const ir::Poly& q, const ir::Poly& k);

}  // namespace hasten::recognize
