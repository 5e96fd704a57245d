// The parts of a recognized attention, read from the expression of its scores.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "passes/recognize/expr.h"

namespace hasten::recognize {

// A term that is added to the scores and is no mask: factor * e.
struct BiasTerm {
  E e = nullptr;
  double factor = 1;
};

// scores(q, k) = softcap(scale * sum_r query * key) + bias, where the mask lets k be seen.
struct Scores {
  E query = nullptr, key = nullptr;   // functions of the sum's variable
  std::string var;                    // that variable
  ir::Poly head_dim;
  double scale = 1, softcap = 0;
  E visible = nullptr;                // a condition over q and k
  std::vector<BiasTerm> bias;
  double hidden = -INFINITY;          // the largest constant that hides a key
};

// nullopt when the expression is no masked scaled dot product; `why` says so.
std::optional<Scores> ParseScores(ExprPool& pool, E e, const ir::Poly& q, const ir::Poly& k, std::string* why);

struct Mask {
  bool causal = false;
  int64_t window = 0, ahead = 0;
};

// Proves that `visible` is exactly a conjunction of any of "k <= past + q" (causal),
// "k > past + q - window" and "k < past + q + ahead"; nullopt otherwise.
std::optional<Mask> ProveMask(const ExprPool& pool, E visible, const ir::Poly& past, const ir::Poly& q, const ir::Poly& k);

// Who asks ReadAlibi, and where: query position minus key position, and the heads.
struct BiasPlace {
  ir::Poly distance, k, h;
  int64_t heads = 1;
  bool causal = true;
};

// The slopes with which the bias is -slope[h] * |distance| plus what does not
// depend on k (softmax takes that away); empty when nothing is left of it, nullopt
// when it is no such bias.
std::optional<std::vector<double>> ReadAlibi(ExprPool& pool, const Scores& scores, const BiasPlace& place, std::string* why);

}  // namespace hasten::recognize
