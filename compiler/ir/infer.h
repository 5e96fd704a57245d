// What an inference rule of ops.def sees: its node, the operands' types and
// symbolic values, and setters for the outputs. Rules are total: they set what
// follows from what is known, and answer kBadInput only for a contradiction.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/ir/graph.h"
#include "compiler/ir/shape_values.h"
#include "runtime/base/status.h"

namespace hasten::ir {

class InferContext {
 public:
  InferContext(Node& n, ShapeValues& v) : node(n), values(v) {}
  Node& node;
  ShapeValues& values;

  bool Has(size_t i) const { return node.input(i) != nullptr; }
  const Type& In(size_t i) const;                       // an unranked kInvalid type when absent
  DType InType(size_t i) const { return In(i).dtype; }
  bool Ranked(size_t i) const { return In(i).ranked; }
  const std::vector<Dim>& Shape(size_t i) const { return In(i).shape; }
  std::optional<std::vector<Dim>> Values(size_t i) const { return values.Find(node.input(i)); }
  // Constant integers of operand i, or of attribute `attr` when that is set.
  std::optional<std::vector<int64_t>> Consts(size_t i) const { return values.FindConst(node.input(i)); }

  void Set(size_t i, Type type);                        // ignored when the output is omitted
  void SetUnranked(size_t i, DType t) { Set(i, Type::Unranked(t)); }
  // Tracks the elements; call after Set. Dropped unless the type is a small
  // integer or bool tensor of rank <= 1 with that many elements.
  void SetValues(size_t i, std::vector<Dim> elements);

  // "[op] what (node "loc")".
  template <class... Ts>
  Status Error(const Ts&... parts) const { return BadInput("[", node.op, "] ", parts..., " (node \"", node.loc, "\")"); }
  // axis in [-rank, rank) to [0, rank).
  Result<int64_t> Axis(int64_t axis, int64_t rank) const;
  Result<std::vector<int64_t>> Axes(std::vector<int64_t> axes, int64_t rank) const;   // distinct
  // Constant dims must agree; an error names both operands.
  Status SameDim(std::string_view what, const Dim& a, const Dim& b) const;
  Status NeedRank(size_t i, int64_t rank) const;        // ok when unranked
  Status NeedSameType(size_t i, size_t j) const;        // ok when either is unknown
};

// ONNX multidirectional broadcasting of one dim; nullopt outside = contradiction.
std::optional<Dim> BroadcastDim(const Dim& a, const Dim& b);
Result<std::vector<Dim>> BroadcastDims(const InferContext& c, const std::vector<Dim>& a, const std::vector<Dim>& b);
std::vector<Dim> ConstDims(const std::vector<int64_t>& dims);
inline std::vector<Dim> UnknownDims(size_t rank) { return std::vector<Dim>(rank); }
std::string DimText(const Dim& d);
// The dtype of an ONNX TensorProto.DataType number (1 = float, 16 = bfloat16 ...);
// kInvalid for those out of scope (string, complex, float8 ...).
DType OnnxDType(int64_t number);

// Symbolic elements of an elementwise op's output from its operands' (op as in ops.def).
void PropagateValues(InferContext& c);

}  // namespace hasten::ir
