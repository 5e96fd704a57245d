// Inference of reductions, normalizations, losses and transforms.
#include <algorithm>

#include "compiler/ir/ops/rules.h"

namespace hasten::ir {
namespace {

// sum, prod, min, max over all of a tracked vector.
void ReduceValues(InferContext& c) {
  const auto in = c.Values(0);
  const std::string& op = c.node.op;
  if (!in || in->empty()) return;
  if (op == "reduce_prod") {
    c.SetValues(0, {DimProduct(*in)});
  } else if (op == "reduce_sum") {
    Dim sum = Poly(0);
    for (const Dim& d : *in) sum = DimAdd(sum, d);
    c.SetValues(0, {sum});
  } else if (op == "reduce_max" || op == "reduce_min") {
    Dim best = (*in)[0];
    for (const Dim& d : *in) {
      const Dim gap = DimSub(d, best);
      if (!gap) return;
      const bool bigger = ProvedNonNegative(*gap), smaller = ProvedNonNegative(-*gap);
      if (!bigger && !smaller) return;
      if (op == "reduce_max" ? bigger : smaller) best = d;
    }
    c.SetValues(0, {best});
  }
}

std::vector<Dim> Reduced(const std::vector<Dim>& shape, const std::vector<int64_t>& axes, bool keep) {
  std::vector<Dim> out;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool gone = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
    if (!gone) out.push_back(shape[i]);
    else if (keep) out.emplace_back(Poly(1));
  }
  return out;
}

}  // namespace

Status InferReduce(InferContext& c) {
  if (!c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  const bool keep = c.node.Int("keepdims", 1) != 0;
  std::optional<std::vector<int64_t>> axes = std::vector<int64_t>{};
  if (c.Has(1)) axes = c.Consts(1);
  else if (c.node.HasAttr("axes")) axes = c.node.Ints("axes");
  if (!axes) {
    if (keep) c.Set(0, Type::Of(c.InType(0), UnknownDims(c.Shape(0).size())));
    else c.SetUnranked(0, c.InType(0));
    return {};
  }
  if (axes->empty()) {
    if (c.node.Int("noop_with_empty_axes", 0) != 0) {
      c.Set(0, c.In(0));
      return {};
    }
    for (int64_t i = 0; i < c.In(0).rank(); ++i) axes->push_back(i);
  }
  HST_ASSIGN_OR_RETURN(const auto norm, c.Axes(*axes, c.In(0).rank()));
  c.Set(0, Type::Of(c.InType(0), Reduced(c.Shape(0), norm, keep)));
  if (c.In(0).rank() == 1) ReduceValues(c);
  return {};
}

Status InferArg(InferContext& c) {
  if (!c.Ranked(0)) {
    c.SetUnranked(0, DType::kI64);
    return {};
  }
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), c.In(0).rank()));
  c.Set(0, Type::Of(DType::kI64, Reduced(c.Shape(0), {axis}, c.node.Int("keepdims", 1) != 0)));
  return {};
}

Status InferLayerNorm(InferContext& c) {
  c.Set(0, c.In(0));
  if (c.node.outputs().size() < 2) return {};
  const DType stash = OnnxDType(c.node.Int("stash_type", 1));
  if (!c.Ranked(0)) {
    for (size_t i = 1; i < 3; ++i) c.SetUnranked(i, stash);
    return {};
  }
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", -1), c.In(0).rank()));
  std::vector<Dim> shape = c.Shape(0);
  for (size_t i = static_cast<size_t>(axis); i < shape.size(); ++i) shape[i] = Poly(1);
  for (size_t i = 1; i < 3; ++i) c.Set(i, Type::Of(stash, shape));
  return {};
}

Status InferBatchNorm(InferContext& c) {
  c.Set(0, c.In(0));
  c.Set(1, c.In(3));
  c.Set(2, c.In(4));
  return {};
}

Status InferLoss(InferContext& c) {
  const bool none = c.node.Str("reduction", "mean") == "none";
  if (!none) {
    c.Set(0, Type::Of(c.InType(0), {}));
  } else if (c.Ranked(1)) {
    c.Set(0, Type::Of(c.InType(0), c.Shape(1)));
  } else {
    c.SetUnranked(0, c.InType(0));
  }
  c.Set(1, c.In(0));
  return {};
}

Status InferDet(InferContext& c) {
  if (!c.Ranked(0) || c.In(0).rank() < 2) {
    if (c.Ranked(0)) return c.Error("needed rank >= 2, came ", TypeString(c.In(0)));
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  c.Set(0, Type::Of(c.InType(0), {c.Shape(0).begin(), c.Shape(0).end() - 2}));
  return {};
}

Status InferStft(InferContext& c) {
  c.Set(0, Type::Of(c.InType(0), {c.Ranked(0) && c.In(0).rank() > 0 ? c.Shape(0)[0] : Dim(), Dim(), Dim(), Poly(2)}));
  return {};
}

}  // namespace hasten::ir
