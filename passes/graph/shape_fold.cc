// Folds what symbolic shape analysis knows. A small integer tensor whose every
// element is proved constant becomes a weight. The target of a reshape or
// expand becomes a weight too when each element is a constant, a dim that the
// op keeps (0, or 1 for expand), or the one dim that follows from the rest (-1):
// that cuts the shape arithmetic which exporters thread through the graph.
#include <algorithm>

#include "compiler/ir/ops.h"
#include "compiler/ir/shape_values.h"
#include "passes/graph/match.h"
#include "passes/pass.h"

namespace hasten::passes {
namespace {

using ir::Dim;

Result<ir::Tensor> MakeTensor(const ir::Type& type, const std::vector<int64_t>& values) {
  std::vector<int64_t> dims;
  if (type.rank() == 1) dims.push_back(static_cast<int64_t>(values.size()));
  HST_ASSIGN_OR_RETURN(ir::Tensor t, ir::Tensor::Zeros(type.dtype, std::move(dims)));
  const size_t size = DTypeSize(type.dtype);
  for (size_t i = 0; i < values.size(); ++i)   // little endian: the low bytes
    std::copy_n(reinterpret_cast<const std::byte*>(&values[i]), size, t.mutable_raw() + i * size);
  return t;
}

// The constant target of a reshape of `in` to `target`, if there is one.
std::optional<std::vector<int64_t>> ReshapeTarget(const ir::Type& in, const std::vector<Dim>& target, bool allow_zero) {
  std::vector<int64_t> out;
  bool free = false, may_be_empty = false;
  for (size_t i = 0; i < target.size(); ++i) {
    const Dim& d = target[i];
    if (d && d->IsConst()) {
      if (d->ConstTerm() == 0 && allow_zero) return std::nullopt;   // a true zero; ours would copy
      if (d->ConstTerm() == -1) free = true;
      out.push_back(d->ConstTerm());
    } else if (d && in.ranked && i < in.shape.size() && in.shape[i] == d) {
      may_be_empty |= MayBeEmpty(d);
      out.push_back(0);
    } else if (!free) {
      free = true;
      out.push_back(-1);
    } else {
      return std::nullopt;
    }
  }
  if (std::count(out.begin(), out.end(), -1) > 1) return std::nullopt;
  // With an empty dim beside it, -1 says nothing.
  return free && may_be_empty ? std::nullopt : std::optional(out);
}

// As above for expand: 1 keeps the dim of the operand (aligned at the end).
std::optional<std::vector<int64_t>> ExpandTarget(const ir::Type& in, const std::vector<Dim>& target) {
  std::vector<int64_t> out;
  for (size_t i = 0; i < target.size(); ++i) {
    const Dim& d = target[i];
    const size_t from_end = target.size() - i;
    if (d && d->IsConst()) out.push_back(d->ConstTerm());
    else if (d && in.ranked && from_end <= in.shape.size() && in.shape[in.shape.size() - from_end] == d) out.push_back(1);
    else return std::nullopt;
  }
  return out;
}

Status FoldTarget(ir::Graph& graph, ir::Node& n, const ir::ShapeValues& values, PassContext& context) {
  ir::Value* target = n.input(1);
  if (!target || target->is_weight()) return {};
  const auto dims = values.Find(target);
  if (!dims) return {};
  const bool allow_zero = n.Int("allowzero", 0) != 0;
  const auto folded = n.op == "reshape" ? ReshapeTarget(n.input(0)->type, *dims, allow_zero) : ExpandTarget(n.input(0)->type, *dims);
  if (!folded) return {};
  HST_ASSIGN_OR_RETURN(ir::Tensor t, MakeTensor(ir::Type::Of(DType::kI64, {Dim()}), *folded));
  n.SetInput(1, graph.AddWeight(StrCat(n.output()->name, "_shape"), std::move(t)));
  n.attrs.erase("allowzero");
  context.Count("targets");
  return {};
}

}  // namespace

Status ShapeFold(ir::Graph& graph, PassContext& context) {
  ir::ShapeValues values;
  HST_RETURN_IF_ERROR(ir::InferTypes(graph, &values));
  std::vector<ir::Node*> order;
  for (const auto& n : graph.nodes()) order.push_back(n.get());
  for (ir::Node* n : order) {
    context.At(n);
    if (n->op == "reshape" || n->op == "expand") HST_RETURN_IF_ERROR(FoldTarget(graph, *n, values, context));
    for (ir::Value* v : n->outputs()) {
      const auto constants = values.FindConst(v);
      if (!constants || (v->users().empty() && !graph.IsOutput(v))) continue;
      HST_ASSIGN_OR_RETURN(ir::Tensor t, MakeTensor(v->type, *constants));
      const std::string name = v->name;
      ir::Value* w = graph.AddWeight(name, std::move(t));
      graph.ReplaceAllUses(v, w);
      graph.Rename(v, name + "_computed");
      graph.Rename(w, name);
      context.Count("values");
    }
  }
  return {};
}

}  // namespace hasten::passes
