// Lowering: from element expressions to row ops. Given the expression of an
// element at (b, s, h * D + d), finds the semantic ops that compute those rows
// and adds them to the new graph: embeddings, norms, RoPE, attention,
// elementwise arithmetic. What no op computes is refused, with the reason.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "passes/recognize/element.h"

namespace hasten::recognize {

// A row of groups * width values, addressed by (h, d): heads, or one group.
struct Space {
  int64_t groups = 1, width = 0;
  ir::Poly b, row;     // sequence, and which of its rows (s, or a constant for pooled outputs)
  ir::Poly h, d;
  ir::Poly Column() const { return h * ir::Poly(width) + d; }
  int64_t cols() const { return groups * width; }
};

// What is known of a recognized attention, to find its present_* outputs.
struct AttentionRecord {
  ir::Node* node;       // in the new graph
  E key, value;         // full cache expressions at (b, h, t, d)
  int64_t kv_heads, head_dim, v_head_dim;
};

class Lowering {
 public:
  Lowering(Elements& elements, const ir::Graph& source, ir::Graph& target);

  // The row value [B, S, groups * width] that holds e; kUnsupported says why not.
  Result<ir::Value*> Rows(E e, const Space& space);
  Space MakeSpace(int64_t groups, int64_t width);

  // The vector [groups * width] of an expression over weights alone.
  bool IsVector(E e) const;
  Result<ir::Value*> Vector(E e, const Space& space);
  std::optional<double> Scalar(E e) const { return e->kind == Kind::kConst ? std::optional<double>(e->c) : std::nullopt; }

  // The new graph's copy of a weight or input of the source graph.
  ir::Value* Import(const ir::Value* v);
  ir::Value* Emit(std::string op, std::vector<ir::Value*> inputs, ir::Attrs attrs, const ir::Node* origin, int64_t cols);
  void AddRow(const ir::Value* v, int64_t cols) { rows_[v] = cols; }
  bool IsRow(const ir::Value* v) const { return rows_.count(v) != 0; }
  void AddSoftmax(const ir::Value* v) { softmax_.insert(v); }
  ir::Value* Positions();
  ir::Graph& target() { return target_; }

  Elements& elements() { return el_; }
  ExprPool& pool() { return el_.pool(); }
  std::vector<AttentionRecord>& attentions() { return attentions_; }
  std::string Explain(E e) const;   // what blocked, naming nodes
  // The coarsest rounding of the graph's constants that the new graph has not (0: none).
  double undone_rounding() const { return undone_rounding_; }

 private:
  void UndoRounding(double unit) { undone_rounding_ = std::max(undone_rounding_, unit); }
  Result<ir::Value*> Compute(E e, const Space& space);
  Result<ir::Value*> FromLoad(E e, const Space& space);
  Result<ir::Value*> FromStridedHeads(E e, const Space& space);   // nullptr when e is not of that form
  Result<ir::Value*> FromUnary(E e, const Space& space);
  Result<ir::Value*> FromBinary(E e, const Space& space);
  Result<ir::Value*> RowAndConstant(Op op, E row, E constant, bool swapped, E whole, const Space& space);
  // The matchers: nullptr when e is not of that form.
  Result<ir::Value*> TryNorm(E e, const Space& space);
  Result<ir::Value*> TryActivation(E e, const Space& space);
  Result<ir::Value*> TryRope(E e, const Space& space);          // rope.cc
  Result<ir::Value*> TryHeads(E e, const Space& space);
  Result<ir::Value*> TryPlain(E e, const Space& space);
  Result<ir::Value*> TryConcat(E e, const Space& space);
  Result<ir::Value*> Attention(E sum, const Space& space);      // attention.cc

  Elements& el_;
  const ir::Graph& source_;
  ir::Graph& target_;
  std::map<const ir::Value*, int64_t> rows_;
  std::set<const ir::Value*> softmax_;
  std::map<std::tuple<E, int64_t, int64_t, std::string>, ir::Value*> memo_;
  std::map<std::string, ir::Value*> vectors_;   // by content
  std::map<const ir::Value*, ir::Value*> imported_;
  std::vector<AttentionRecord> attentions_;
  ir::Value* positions_ = nullptr;
  double undone_rounding_ = 0;
  int depth_ = 0;
};

// Factors of a product, Mul and Div trees flattened: (expression, in the denominator).
std::vector<std::pair<E, bool>> Factors(E e);
// Terms of a sum, Add trees flattened.
std::vector<E> Terms(E e);
// The value of e with `leaf` bound to x; nullopt when e depends on anything else.
std::optional<double> EvalWith(const ExprPool& pool, E e, E leaf, double x);
// The value of a weights-only expression with variables bound.
using Env = std::map<std::string, int64_t, std::less<>>;
std::optional<double> EvalConst(const ExprPool& pool, E e, const Env& env);


}  // namespace hasten::recognize
