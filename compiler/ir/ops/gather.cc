// Inference of indexing ops: gather and scatter families, top-k, one-hot.
#include "compiler/ir/ops/rules.h"

namespace hasten::ir {

Status InferGather(InferContext& c) {
  if (!c.Ranked(0) || !c.Ranked(1)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), c.In(0).rank()));
  const auto& s = c.Shape(0);
  std::vector<Dim> out(s.begin(), s.begin() + axis);
  out.insert(out.end(), c.Shape(1).begin(), c.Shape(1).end());
  out.insert(out.end(), s.begin() + axis + 1, s.end());
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  const auto data = c.Values(0);
  const auto indices = c.Consts(1);
  if (!data || !indices || c.In(0).rank() != 1) return {};
  std::vector<Dim> picked;
  const int64_t n = static_cast<int64_t>(data->size());
  for (int64_t i : *indices) {
    if (i < -n || i >= n) return c.Error("index ", i, " is outside of ", n, " elements");
    picked.push_back((*data)[static_cast<size_t>(i < 0 ? i + n : i)]);
  }
  c.SetValues(0, std::move(picked));
  return {};
}

Status InferGatherElements(InferContext& c) {
  Type t = c.In(1);
  t.dtype = c.InType(0);
  c.Set(0, std::move(t));
  return {};
}

Status InferGatherNd(InferContext& c) {
  if (!c.Ranked(0) || !c.Ranked(1) || c.In(1).rank() == 0 || !c.Shape(1).back() || !c.Shape(1).back()->IsConst()) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  const int64_t batch = c.node.Int("batch_dims", 0), depth = c.Shape(1).back()->ConstTerm();
  if (batch < 0 || batch >= c.In(1).rank() || depth < 0 || batch + depth > c.In(0).rank())
    return c.Error("batch_dims ", batch, " and index depth ", depth, " do not fit data of rank ", c.In(0).rank());
  std::vector<Dim> out(c.Shape(1).begin(), c.Shape(1).end() - 1);
  out.insert(out.end(), c.Shape(0).begin() + batch + depth, c.Shape(0).end());
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  return {};
}

Status InferOneHot(InferContext& c) {
  if (!c.Ranked(0)) {
    c.SetUnranked(0, c.InType(2));
    return {};
  }
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", -1), c.In(0).rank() + 1));
  std::vector<Dim> out = c.Shape(0);
  const auto depth = c.Values(1);
  out.insert(out.begin() + axis, depth && depth->size() == 1 ? (*depth)[0] : Dim());
  c.Set(0, Type::Of(c.InType(2), std::move(out)));
  return {};
}

Status InferTopK(InferContext& c) {
  if (!c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    c.SetUnranked(1, DType::kI64);
    return {};
  }
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", -1), c.In(0).rank()));
  std::vector<Dim> out = c.Shape(0);
  const auto k = c.Values(1);
  out[static_cast<size_t>(axis)] = k && k->size() == 1 ? (*k)[0] : Dim();
  c.Set(1, Type::Of(DType::kI64, out));
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  return {};
}

Status InferNonZero(InferContext& c) {
  c.Set(0, Type::Of(DType::kI64, {c.Ranked(0) ? Dim(Poly(c.In(0).rank())) : Dim(), Dim()}));
  return {};
}

Status InferCompress(InferContext& c) {
  if (!c.node.HasAttr("axis")) {
    c.Set(0, Type::Of(c.InType(0), {Dim()}));
    return {};
  }
  if (!c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), c.In(0).rank()));
  std::vector<Dim> out = c.Shape(0);
  out[static_cast<size_t>(axis)] = std::nullopt;
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  return {};
}

Status InferUnique(InferContext& c) {
  std::vector<Dim> out{Dim()};
  if (c.node.HasAttr("axis")) {
    if (!c.Ranked(0)) {
      c.SetUnranked(0, c.InType(0));
      for (size_t i = 1; i < 4; ++i) c.Set(i, Type::Of(DType::kI64, {Dim()}));
      return {};
    }
    HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), c.In(0).rank()));
    out = c.Shape(0);
    out[static_cast<size_t>(axis)] = std::nullopt;
  }
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  for (size_t i = 1; i < 4; ++i) c.Set(i, Type::Of(DType::kI64, {Dim()}));
  return {};
}

}  // namespace hasten::ir
