// Elements: the expression of one element of any value of a graph (expr.h). The
// rules are one function an op; what has no rule, or an unknown shape, is an
// opaque load, remembered with the reason so that a refusal can name it.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/ir/shape_values.h"
#include "passes/recognize/expr.h"
#include "passes/recognize/roles.h"

namespace hasten::recognize {

class Elements {
 public:
  Elements(ExprPool& pool, const Roles& roles, const ir::ShapeValues& values)
      : pool_(pool), roles_(roles), values_(values) {}

  // The element of `v` at `index` (one polynomial a dimension).
  E At(const ir::Value* v, const std::vector<ir::Poly>& index);

  // From now on `v` reads as target(index): how anchors (linears, norms) end the
  // expansion. Expressions made before keep what they saw.
  using Alias = std::function<E(const std::vector<ir::Poly>&)>;
  void SetAlias(const ir::Value* v, Alias alias) { aliases_[v] = std::move(alias); }
  bool HasAlias(const ir::Value* v) const { return aliases_.count(v) != 0; }

  // Why `v` is opaque; empty when it is not, or when it is opaque by design.
  std::string WhyOpaque(const ir::Value* v) const;

  ExprPool& pool() const { return pool_; }
  const Roles& roles() const { return roles_; }
  const ir::ShapeValues& values() const { return values_; }

  // For the rules (element_rules.cc): an input's element, its dims, a reason.
  E Opaque(const ir::Value* v, const std::vector<ir::Poly>& index, std::string why);
  // The index into `operand` that broadcasts to `index` of `out`; nullopt when the
  // dims do not prove which of them are stretched.
  std::optional<std::vector<ir::Poly>> Broadcast(const ir::Value* operand, const ir::Value* out,
                                                 const std::vector<ir::Poly>& index) const;
  // The summation variable of a node; a node with two sums has two.
  std::string ReduceVar(const ir::Node* node, const ir::Poly& extent, int which = 0);

 private:
  E Compute(const ir::Value* v, const std::vector<ir::Poly>& index);
  E Input(const ir::Value* v, const std::vector<ir::Poly>& index);
  E Weight(const ir::Value* v, const std::vector<ir::Poly>& index);
  std::optional<ir::Poly> Line(const ir::Tensor& t, const std::vector<ir::Poly>& index);

  ExprPool& pool_;
  const Roles& roles_;
  const ir::ShapeValues& values_;
  std::map<std::pair<const ir::Value*, std::vector<ir::Poly>>, E> memo_;
  std::unordered_map<const ir::Value*, Alias> aliases_;
  std::unordered_map<const ir::Value*, std::string> opaque_;
  std::map<std::pair<const ir::Node*, int>, int> reduce_ids_;
  int depth_ = 0;
};

// A float expression that holds whole numbers (positions counted in fp32).
std::optional<ir::Poly> WholeNumber(ExprPool& pool, E e);

// One rule: the element of node's output `out` at `index`; null: no rule for this form.
using ElementRule = E (*)(Elements& el, const ir::Node& node, int out, const std::vector<ir::Poly>& index);
ElementRule FindElementRule(std::string_view op);

}  // namespace hasten::recognize
