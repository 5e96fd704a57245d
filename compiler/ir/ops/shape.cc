// Inference of ops about shapes: here symbolic values become dims and back.
#include <algorithm>

#include "compiler/ir/ops/rules.h"

namespace hasten::ir {
namespace {

// The elements of operand i as dims, or that many unknowns when only its length
// is known; nullopt when not even that.
std::optional<std::vector<Dim>> TargetDims(const InferContext& c, size_t i) {
  if (auto v = c.Values(i)) return v;
  if (!c.Ranked(i) || c.In(i).rank() != 1 || !c.Shape(i)[0] || !c.Shape(i)[0]->IsConst()) return std::nullopt;
  const int64_t n = c.Shape(i)[0]->ConstTerm();
  if (n < 0 || n > static_cast<int64_t>(kMaxTrackedElements)) return std::nullopt;
  return UnknownDims(static_cast<size_t>(n));
}

bool Is(const Dim& d, int64_t v) { return d && *d == Poly(v); }

// Axes of squeeze and unsqueeze: an operand since opset 13.
std::optional<std::vector<int64_t>> AxesOperand(const InferContext& c, size_t i) {
  if (c.Has(i)) return c.Consts(i);
  if (c.node.HasAttr("axes")) return c.node.Ints("axes");
  return std::vector<int64_t>{};
}

void KeepValues(InferContext& c) {
  if (auto v = c.Values(0)) c.SetValues(0, *v);
}

}  // namespace

Status InferShape(InferContext& c) {
  if (!c.Ranked(0)) {
    c.Set(0, Type::Of(DType::kI64, {Dim()}));
    return {};
  }
  const int64_t rank = c.In(0).rank();
  const auto clamp = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const int64_t start = clamp(c.node.Int("start", 0)), end = clamp(c.node.Int("end", rank));
  const auto& s = c.Shape(0);
  std::vector<Dim> part;
  if (start < end) part.assign(s.begin() + start, s.begin() + end);
  c.Set(0, Type::Of(DType::kI64, {Poly(static_cast<int64_t>(part.size()))}));
  c.SetValues(0, std::move(part));
  return {};
}

Status InferSize(InferContext& c) {
  c.Set(0, Type::Of(DType::kI64, {}));
  if (c.Ranked(0)) c.SetValues(0, {DimProduct(c.Shape(0))});
  return {};
}

Status InferReshape(InferContext& c) {
  auto target = TargetDims(c, 1);
  if (!target) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  const bool allow_zero = c.node.Int("allowzero", 0) != 0;
  std::optional<size_t> free;
  size_t unknown = 0;
  bool minus = false;
  for (size_t i = 0; i < target->size(); ++i) {
    Dim& d = (*target)[i];
    if (Is(d, 0) && !allow_zero) {
      if (c.Ranked(0) && i >= c.Shape(0).size()) return c.Error("dim ", i, " is 0 (copy), but the input has rank ", c.In(0).rank());
      d = c.Ranked(0) ? c.Shape(0)[i] : Dim();
    } else if (Is(d, -1)) {
      if (minus) return c.Error("more than one dim is -1");
      minus = true;
      d = std::nullopt;
    } else if (d && d->IsConst() && d->ConstTerm() < 0) {
      return c.Error("dim ", i, " is ", d->ConstTerm());
    }
    if (!d) free = i, ++unknown;
  }
  if (unknown == 1 && c.Ranked(0)) {
    std::vector<Dim> others = *target;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(*free));
    (*target)[*free] = SolveDim(c.Shape(0), std::move(others));
  } else if (unknown == 0 && c.Ranked(0)) {
    HST_RETURN_IF_ERROR(c.SameDim("elements", DimProduct(c.Shape(0)), DimProduct(*target)));
  }
  c.Set(0, Type::Of(c.InType(0), std::move(*target)));
  KeepValues(c);
  return {};
}

Status InferSqueeze(InferContext& c) {
  const auto axes = AxesOperand(c, 1);
  const bool all = !c.Has(1) && !c.node.HasAttr("axes");
  if (!axes || !c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> drop, c.Axes(*axes, c.In(0).rank()));
  std::vector<Dim> out;
  for (size_t i = 0; i < c.Shape(0).size(); ++i) {
    const Dim& d = c.Shape(0)[i];
    if (all) {
      if (!d || !d->IsConst()) {  // it may be 1: not even the rank is known
        c.SetUnranked(0, c.InType(0));
        return {};
      }
      if (!Is(d, 1)) out.push_back(d);
      continue;
    }
    if (std::find(drop.begin(), drop.end(), static_cast<int64_t>(i)) == drop.end()) {
      out.push_back(d);
    } else if (d && d->IsConst() && !Is(d, 1)) {
      return c.Error("axis ", i, " has ", d->ToString(), " elements, needed 1");
    }
  }
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  KeepValues(c);
  return {};
}

Status InferUnsqueeze(InferContext& c) {
  const auto axes = AxesOperand(c, 1);
  if (!axes || !c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  const int64_t rank = c.In(0).rank() + static_cast<int64_t>(axes->size());
  HST_ASSIGN_OR_RETURN(const std::vector<int64_t> add, c.Axes(*axes, rank));
  std::vector<Dim> out;
  size_t next = 0;
  for (int64_t i = 0; i < rank; ++i) {
    const bool made = std::find(add.begin(), add.end(), i) != add.end();
    out.push_back(made ? Dim(Poly(1)) : c.Shape(0)[next++]);
  }
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  KeepValues(c);
  return {};
}

Status InferFlatten(InferContext& c) {
  Dim rows, cols;
  if (c.Ranked(0)) {
    const auto& s = c.Shape(0);
    int64_t axis = c.node.Int("axis", 1);
    const int64_t rank = c.In(0).rank();
    if (axis < -rank || axis > rank) return c.Error("axis ", axis, " is outside of a tensor of rank ", rank);
    if (axis < 0) axis += rank;
    rows = DimProduct({s.begin(), s.begin() + axis});
    cols = DimProduct({s.begin() + axis, s.end()});
  }
  c.Set(0, Type::Of(c.InType(0), {rows, cols}));
  return {};
}

Status InferExpand(InferContext& c) {
  const auto target = TargetDims(c, 1);
  if (!target || !c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  HST_ASSIGN_OR_RETURN(std::vector<Dim> out, BroadcastDims(c, c.Shape(0), *target));
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  const auto v = c.Values(0);
  const Type& t = c.node.output(0)->type;
  if (v && v->size() == 1 && t.rank() == 1 && t.shape[0] && t.shape[0]->IsConst() && t.shape[0]->ConstTerm() >= 0 &&
      t.shape[0]->ConstTerm() <= static_cast<int64_t>(kMaxTrackedElements))
    c.SetValues(0, std::vector<Dim>(static_cast<size_t>(t.shape[0]->ConstTerm()), (*v)[0]));
  else if (v && t.rank() <= 1)
    c.SetValues(0, *v);
  return {};
}

Status InferTile(InferContext& c) {
  if (!c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  const auto repeats = TargetDims(c, 1);
  if (repeats && repeats->size() != c.Shape(0).size())
    return c.Error("repeats has ", repeats->size(), " elements, the input rank ", c.In(0).rank());
  std::vector<Dim> out = UnknownDims(c.Shape(0).size());
  if (repeats)
    for (size_t i = 0; i < out.size(); ++i) out[i] = DimMul(c.Shape(0)[i], (*repeats)[i]);
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  return {};
}

Status InferConstantOfShape(InferContext& c) {
  DType dtype = DType::kF32;
  std::optional<int64_t> fill;
  if (const auto it = c.node.attrs.find("value"); it != c.node.attrs.end()) {
    const Tensor* t = std::get_if<Tensor>(&it->second);
    if (!t || t->elements() != 1) return c.Error("value needs a tensor of one element");
    dtype = t->dtype();
    if (!IsFloat(dtype)) fill = t->IntAt(0);
  }
  const auto target = TargetDims(c, 0);
  if (!target) {
    c.SetUnranked(0, dtype);
    return {};
  }
  c.Set(0, Type::Of(dtype, *target));
  if (fill && target->size() <= 1) {
    const Dim n = target->empty() ? Dim(Poly(1)) : (*target)[0];
    if (n && n->IsConst() && n->ConstTerm() >= 0 && n->ConstTerm() <= static_cast<int64_t>(kMaxTrackedElements))
      c.SetValues(0, std::vector<Dim>(static_cast<size_t>(n->ConstTerm()), Dim(Poly(*fill))));
  }
  return {};
}

Status InferConstant(InferContext& c) {
  const auto& attrs = c.node.attrs;
  if (const auto it = attrs.find("value"); it != attrs.end()) {
    const Tensor* t = std::get_if<Tensor>(&it->second);
    if (!t) return c.Error("value needs a tensor");
    c.Set(0, Type::Of(t->dtype(), ConstDims(t->dims())));
    if (!IsFloat(t->dtype()) && t->rank() <= 1 && t->elements() <= static_cast<int64_t>(kMaxTrackedElements))
      c.SetValues(0, ConstDims(t->ToInts()));
  } else if (c.node.HasAttr("value_int")) {
    c.Set(0, Type::Of(DType::kI64, {}));
    c.SetValues(0, {Poly(c.node.Int("value_int", 0))});
  } else if (c.node.HasAttr("value_ints")) {
    const auto v = c.node.Ints("value_ints");
    c.Set(0, Type::Of(DType::kI64, {Poly(static_cast<int64_t>(v.size()))}));
    c.SetValues(0, ConstDims(v));
  } else if (c.node.HasAttr("value_float")) {
    c.Set(0, Type::Of(DType::kF32, {}));
  } else if (const auto f = attrs.find("value_floats"); f != attrs.end()) {
    const auto* v = std::get_if<std::vector<double>>(&f->second);
    if (!v) return c.Error("value_floats needs floats");
    c.Set(0, Type::Of(DType::kF32, {Poly(static_cast<int64_t>(v->size()))}));
  } else {
    return Unsupported("[constant] a constant that is neither a tensor nor numbers (node \"", c.node.loc, "\")");
  }
  return {};
}

Status InferRange(InferContext& c) {
  for (size_t i = 0; i < 3; ++i)
    if (c.Ranked(i) && c.In(i).rank() > 1) return c.Error("input ", i, " needs a scalar, came ", TypeString(c.In(i)));
  HST_RETURN_IF_ERROR(c.NeedSameType(0, 1));
  HST_RETURN_IF_ERROR(c.NeedSameType(0, 2));
  const auto start = c.Values(0), limit = c.Values(1), delta = c.Values(2);
  Dim length;
  std::vector<Dim> elements;
  if (start && limit && delta && start->size() == 1 && limit->size() == 1 && delta->size() == 1 && (*delta)[0]) {
    const Dim span = DimSub((*limit)[0], (*start)[0]);
    const Poly& step = *(*delta)[0];
    if (step == Poly(0)) return c.Error("delta is 0");
    if (span && span->IsConst() && step.IsConst()) {
      const int64_t s = span->ConstTerm(), d = step.ConstTerm();
      const int64_t n = (s > 0) == (d > 0) && s != 0 && d > INT64_MIN ? s / d + (s % d != 0) : 0;
      length = Poly(n);
      Dim v = (*start)[0];
      for (int64_t i = 0; i < n && n <= static_cast<int64_t>(kMaxTrackedElements); ++i) {
        elements.push_back(v);
        v = DimAdd(v, step);
      }
    } else if (span && step == Poly(1) && ProvedNonNegative(*span, 1)) {
      length = span;
    } else if (span && step == Poly(-1) && ProvedNonNegative(-*span, 1)) {
      length = -*span;
    }
  }
  c.Set(0, Type::Of(c.InType(0), {length}));
  if (length && length->IsConst()) c.SetValues(0, std::move(elements));
  return {};
}

Status InferEyeLike(InferContext& c) {
  HST_RETURN_IF_ERROR(c.NeedRank(0, 2));
  Type t = c.In(0);
  if (c.node.HasAttr("dtype")) t.dtype = OnnxDType(c.node.Int("dtype", 0));
  if (t.dtype == DType::kInvalid && c.node.HasAttr("dtype")) return Unsupported("[eye_like] dtype (node \"", c.node.loc, "\")");
  c.Set(0, std::move(t));
  return {};
}

}  // namespace hasten::ir
