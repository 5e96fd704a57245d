// Inference and verification of the semantic ops, which recognition makes and
// the runtime knows. Activations are rows: f32[B,S,C]. What each computes is in
// compiler/interp/ops/semantic.cc.
#include <algorithm>
#include <cmath>

#include "compiler/ir/ops/acts.h"
#include "compiler/ir/ops/rules.h"

namespace hasten::ir {
namespace {

// The row tensor operand i with its columns replaced.
Status SetRows(InferContext& c, size_t i, const Dim& columns) {
  HST_RETURN_IF_ERROR(c.NeedRank(i, 3));
  if (!c.Ranked(i)) {
    c.SetUnranked(0, DType::kF32);
    return {};
  }
  c.Set(0, Type::Of(DType::kF32, {c.Shape(i)[0], c.Shape(i)[1], columns}));
  return {};
}

template <class... Ts>
Status Wrong(const Node& n, const Ts&... parts) {
  return Internal("[", n.op, "] ", parts..., " (node \"", n.loc, "\")");
}

Status NeedAtLeastOne(const Node& n, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) {
    const int64_t v = n.Int(name, 0);
    if (v < 1 || v > int64_t{1} << 31) return Wrong(n, name, " is ", v);
  }
  return {};
}

Dim Columns(const InferContext& c, size_t i) { return c.Ranked(i) && c.In(i).rank() == 3 ? c.Shape(i)[2] : Dim(); }

}  // namespace

bool IsActKind(std::string_view kind) {
  return std::find(kActKinds.begin(), kActKinds.end(), kind) != kActKinds.end();
}

Status InferPositions(InferContext& c) {
  if (c.Ranked(0)) c.Set(0, Type::Of(DType::kI64, c.Shape(0)));
  else c.SetUnranked(0, DType::kI64);
  return {};
}

Status InferEmbed(InferContext& c) {
  HST_RETURN_IF_ERROR(c.NeedRank(0, 2));
  HST_RETURN_IF_ERROR(c.NeedRank(1, 2));
  if (!c.Ranked(0)) {
    c.SetUnranked(0, DType::kF32);
    return {};
  }
  c.Set(0, Type::Of(DType::kF32, {c.Shape(0)[0], c.Shape(0)[1], c.Ranked(1) ? c.Shape(1)[1] : Dim()}));
  return {};
}

Status InferNorm(InferContext& c) { return SetRows(c, 0, Columns(c, 0)); }

Status InferLinear(InferContext& c) {
  const auto begin = c.node.Ints("begin"), end = c.node.Ints("end"), trans = c.node.Ints("trans");
  int64_t columns = 0;
  for (size_t i = 0; i < std::min(begin.size(), end.size()); ++i) {
    columns += end[i] - begin[i];
    HST_RETURN_IF_ERROR(c.NeedRank(2 + i, 2));
    if (!c.Ranked(2 + i) || i >= trans.size()) continue;
    const auto& w = c.Shape(2 + i);
    HST_RETURN_IF_ERROR(c.SameDim(StrCat("K of weight ", i), Columns(c, 0), w[trans[i] ? 1 : 0]));
    const Dim& n = w[trans[i] ? 0 : 1];
    if (n && n->IsConst() && end[i] > n->ConstTerm()) return c.Error("weight ", i, " has ", n->ToString(), " columns, end is ", end[i]);
  }
  return SetRows(c, 0, Poly(columns));
}

Status VerifyLinear(const Node& n) {
  const auto begin = n.Ints("begin"), end = n.Ints("end"), trans = n.Ints("trans");
  const size_t weights = n.inputs().size() - 2;
  if (n.inputs().size() < 3 || begin.size() != weights || end.size() != weights || trans.size() != weights)
    return Wrong(n, "needs one trans, begin and end for each of ", weights, " weights");
  for (size_t i = 0; i < weights; ++i)
    if (begin[i] < 0 || end[i] <= begin[i] || end[i] > int64_t{1} << 31 || !n.input(2 + i))
      return Wrong(n, "weight ", i, ": range ", begin[i], "..", end[i]);
  return {};
}

Status VerifyNorm(const Node& n) {
  HST_RETURN_IF_ERROR(n.HasAttr("groups") ? NeedAtLeastOne(n, {"groups"}) : Status());
  const double eps = n.Float("eps", -1);
  if (!(eps >= 0) || !std::isfinite(eps)) return Wrong(n, "eps is ", eps);
  return {};
}

Status InferRope(InferContext& c) {
  HST_RETURN_IF_ERROR(c.SameDim("columns", Poly(c.node.Int("heads", 0) * c.node.Int("head_dim", 0)), Columns(c, 0)));
  return SetRows(c, 0, Columns(c, 0));
}

Status VerifyRope(const Node& n) {
  HST_RETURN_IF_ERROR(NeedAtLeastOne(n, {"heads", "head_dim", "rotary_dim"}));
  const int64_t r = n.Int("rotary_dim", 0);
  if (r % 2 != 0 || r > n.Int("head_dim", 0)) return Wrong(n, "rotary_dim is ", r, ", head_dim ", n.Int("head_dim", 0));
  return {};
}

Status InferAttention(InferContext& c) {
  const int64_t heads = c.node.Int("heads", 0), kv = c.node.Int("kv_heads", 0), d = c.node.Int("head_dim", 0);
  const int64_t dv = c.node.Int("v_head_dim", d);
  HST_RETURN_IF_ERROR(c.SameDim("columns of q", Poly(heads * d), Columns(c, 0)));
  HST_RETURN_IF_ERROR(c.SameDim("columns of k", Poly(kv * d), Columns(c, 1)));
  HST_RETURN_IF_ERROR(c.SameDim("columns of v", Poly(kv * dv), Columns(c, 2)));
  HST_RETURN_IF_ERROR(SetRows(c, 0, Poly(heads * dv)));
  for (size_t i = 1; i < 3; ++i) {
    const size_t past = i + 2, fresh = i;
    HST_RETURN_IF_ERROR(c.NeedRank(past, 4));
    const Dim batch = c.Ranked(fresh) ? c.Shape(fresh)[0] : Dim(), seq = c.Ranked(fresh) ? c.Shape(fresh)[1] : Dim();
    const Dim before = !c.Has(past) ? Dim(Poly(0)) : c.Ranked(past) ? c.Shape(past)[2] : Dim();
    c.Set(i, Type::Of(DType::kF32, {batch, Poly(kv), DimAdd(before, seq), Poly(i == 1 ? d : dv)}));
  }
  return {};
}

Status VerifyAttention(const Node& n) {
  HST_RETURN_IF_ERROR(NeedAtLeastOne(n, {"heads", "kv_heads", "head_dim"}));
  if (n.HasAttr("v_head_dim")) HST_RETURN_IF_ERROR(NeedAtLeastOne(n, {"v_head_dim"}));
  if (n.Int("heads", 0) % n.Int("kv_heads", 1)) return Wrong(n, "heads is no multiple of kv_heads");
  if ((n.input(3) == nullptr) != (n.input(4) == nullptr)) return Wrong(n, "needs both past operands or none");
  if (n.Int("window", 0) < 0 || n.Int("ahead", 0) < 0) return Wrong(n, "window or ahead is negative");
  if (n.Int("ahead", 0) != 0 && n.Int("causal", 0) != 0) return Wrong(n, "it is causal and looks ahead");
  const std::vector<double> slopes = n.Floats("slopes");
  if (!slopes.empty() && static_cast<int64_t>(slopes.size()) != n.Int("heads", 0)) return Wrong(n, slopes.size(), " slopes for ", n.Int("heads", 0), " heads");
  for (double s : slopes)
    if (!std::isfinite(s)) return Wrong(n, "a slope is not finite");
  if (!std::isfinite(n.Float("scale", NAN))) return Wrong(n, "scale is missing or not finite");
  return {};
}

Status InferGatedAct(InferContext& c) {
  HST_RETURN_IF_ERROR(c.SameDim("columns of up", Columns(c, 0), Columns(c, 1)));
  return SetRows(c, 0, Columns(c, 0) ? Columns(c, 0) : Columns(c, 1));
}

Status VerifyAct(const Node& n) {
  const std::string kind = n.op == "act" ? n.Str("kind", "") : n.Str("act", "");
  return IsActKind(kind) ? Status() : Wrong(n, "unknown activation \"", kind, "\"");
}

Status InferSliceCols(InferContext& c) {
  const int64_t begin = c.node.Int("begin", 0), end = c.node.Int("end", 0);
  const Dim columns = Columns(c, 0);
  if (columns && columns->IsConst() && end > columns->ConstTerm()) return c.Error("end ", end, " of ", columns->ToString(), " columns");
  return SetRows(c, 0, Poly(end - begin));
}

Status VerifySliceCols(const Node& n) {
  const int64_t begin = n.Int("begin", 0), end = n.Int("end", 0);
  return begin >= 0 && end > begin ? Status() : Wrong(n, "range ", begin, "..", end);
}

Status InferConcatCols(InferContext& c) {
  Dim columns = Poly(0);
  for (size_t i = 0; i < c.node.inputs().size(); ++i) {
    HST_RETURN_IF_ERROR(c.NeedRank(i, 3));
    columns = DimAdd(columns, Columns(c, i));
  }
  return SetRows(c, 0, columns);
}

Status InferTakeRow(InferContext& c) {
  HST_RETURN_IF_ERROR(c.NeedRank(0, 3));
  if (c.Ranked(0)) c.Set(0, Type::Of(DType::kF32, {c.Shape(0)[0], c.Shape(0)[2]}));
  else c.SetUnranked(0, DType::kF32);
  return {};
}

}  // namespace hasten::ir
