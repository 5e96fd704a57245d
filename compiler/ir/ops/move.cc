// Inference of ops that move elements: transpose, concat, split, slice, pad.
#include <algorithm>

#include "compiler/ir/ops/rules.h"

namespace hasten::ir {

Status InferTranspose(InferContext& c) {
  if (!c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  const auto& s = c.Shape(0);
  std::vector<Dim> out(s.rbegin(), s.rend());
  if (c.node.HasAttr("perm")) {
    const auto perm = c.node.Ints("perm");
    if (perm.size() != s.size()) return c.Error("perm has ", perm.size(), " elements, the input rank ", s.size());
    HST_ASSIGN_OR_RETURN(const auto axes, c.Axes(perm, c.In(0).rank()));
    for (size_t i = 0; i < s.size(); ++i) out[i] = s[static_cast<size_t>(axes[i])];
  }
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  return {};
}

Status InferConcat(InferContext& c) {
  const size_t n = c.node.inputs().size();
  size_t ranked = n;
  for (size_t i = 0; i < n; ++i) {
    if (!c.Has(i)) return c.Error("input ", i, " is missing");
    HST_RETURN_IF_ERROR(c.NeedSameType(0, i));
    if (c.Ranked(i)) ranked = i;
  }
  if (ranked == n) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  const int64_t rank = c.In(ranked).rank();
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), rank));
  std::vector<Dim> out = UnknownDims(static_cast<size_t>(rank));
  Dim along = Poly(0);
  for (size_t i = 0; i < n; ++i) {
    HST_RETURN_IF_ERROR(c.NeedRank(i, rank));
    for (int64_t d = 0; d < rank && c.Ranked(i); ++d) {
      const size_t k = static_cast<size_t>(d);
      if (d == axis) continue;
      HST_RETURN_IF_ERROR(c.SameDim(StrCat("dim ", d, " of input ", i), out[k], c.Shape(i)[k]));
      // One that is a constant says most; else the first that is known.
      if (!out[k] || (c.Shape(i)[k] && c.Shape(i)[k]->IsConst())) out[k] = c.Shape(i)[k];
    }
    along = DimAdd(along, c.Ranked(i) ? c.Shape(i)[static_cast<size_t>(axis)] : Dim());
  }
  out[static_cast<size_t>(axis)] = along;
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  if (rank != 1) return {};
  std::vector<Dim> elements;
  for (size_t i = 0; i < n; ++i) {
    auto v = c.Values(i);
    if (!v) {
      const Dim length = c.Ranked(i) ? c.Shape(i)[0] : Dim();
      if (!length || !length->IsConst() || length->ConstTerm() < 0 || length->ConstTerm() > static_cast<int64_t>(kMaxTrackedElements)) return {};
      v = UnknownDims(static_cast<size_t>(length->ConstTerm()));
    }
    elements.insert(elements.end(), v->begin(), v->end());
    if (elements.size() > kMaxTrackedElements) return {};
  }
  c.SetValues(0, std::move(elements));
  return {};
}

Status InferSplit(InferContext& c) {
  const size_t n = c.node.outputs().size();
  if (!c.Ranked(0)) {
    for (size_t i = 0; i < n; ++i) c.SetUnranked(i, c.InType(0));
    return {};
  }
  HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 0), c.In(0).rank()));
  const Dim whole = c.Shape(0)[static_cast<size_t>(axis)];
  std::vector<Dim> sizes(n);
  if (c.Has(1)) {
    if (auto v = c.Values(1)) {
      if (v->size() != n) return c.Error("split has ", v->size(), " sizes for ", n, " outputs");
      sizes = *v;
      Dim sum = Poly(0);
      for (const Dim& d : sizes) sum = DimAdd(sum, d);
      HST_RETURN_IF_ERROR(c.SameDim("the sum of split", whole, sum));
    }
  } else if (whole && whole->IsConst()) {  // equal parts, the last one smaller (opset 18)
    const int64_t total = whole->ConstTerm(), count = static_cast<int64_t>(n);
    const int64_t part = (total + count - 1) / count;
    for (int64_t i = 0; i < count; ++i)
      sizes[static_cast<size_t>(i)] = Poly(std::clamp<int64_t>(total - i * part, 0, part));
  } else if (whole) {
    for (Dim& d : sizes) d = Poly::DivideExact(*whole, Poly(static_cast<int64_t>(n)));
  }
  const auto values = c.Values(0);
  size_t at = 0;
  for (size_t i = 0; i < n; ++i) {
    std::vector<Dim> shape = c.Shape(0);
    shape[static_cast<size_t>(axis)] = sizes[i];
    c.Set(i, Type::Of(c.InType(0), std::move(shape)));
    if (!values || !sizes[i] || !sizes[i]->IsConst() || sizes[i]->ConstTerm() < 0) continue;
    const size_t count = static_cast<size_t>(sizes[i]->ConstTerm());
    if (at + count <= values->size())
      c.SetValues(i, {values->begin() + static_cast<std::ptrdiff_t>(at), values->begin() + static_cast<std::ptrdiff_t>(at + count)});
    at += count;
  }
  return {};
}

namespace {

// A start or end of a slice as a position in [0, dim]; unknown where the symbols
// decide. Symbols count as >= 1 here: slicing an empty axis is no use of a model.
Dim SlicePosition(const Dim& at, const Dim& dim) {
  if (!at || !dim) return std::nullopt;
  if (at->IsConst() && at->ConstTerm() < -(int64_t{1} << 40)) return Dim(Poly(0));   // INT64_MIN has no negation
  Dim v = at;
  if (!ProvedNonNegative(*v, 1) && ProvedNonNegative(-*v, 1)) {
    v = DimAdd(v, dim);
    if (!v) return std::nullopt;
  }
  if (!ProvedNonNegative(*v, 1)) {
    if (ProvedNonNegative(-*v, 1)) return Dim(Poly(0));
    // A table's last `length` rows start at dim - length: not negative, as below.
    const Poly length = *dim - *v;
    return dim->IsConst() && length.ConstTerm() == 0 && ProvedNonNegative(length, 1) ? v : Dim();
  }
  if (v->IsConst() && v->ConstTerm() > (int64_t{1} << 40)) return dim;
  if (ProvedNonNegative(*dim - *v, 1)) return v;
  // A length within a table of constant size (positions, a stored mask): a model
  // is run within the sizes of its own tables.
  if (dim->IsConst() && !v->IsConst()) return v;
  return ProvedNonNegative(*v - *dim, 1) ? dim : Dim();
}

Dim SliceLength(const Dim& start, const Dim& end, const Dim& step, const Dim& dim) {
  if (!step || !step->IsConst() || step->ConstTerm() == 0) return std::nullopt;
  const int64_t k = step->ConstTerm();
  if (k == 1) {
    const Dim s = SlicePosition(start, dim), e = SlicePosition(end, dim);
    const Dim length = DimSub(e, s);
    if (!length) return std::nullopt;
    if (ProvedNonNegative(*length, 1)) return length;
    return ProvedNonNegative(-*length, 1) ? Dim(Poly(0)) : Dim();
  }
  if (!start || !end || !dim || !start->IsConst() || !end->IsConst() || !dim->IsConst()) return std::nullopt;
  const int64_t n = dim->ConstTerm();
  if (n <= 0) return Poly(0);
  int64_t s = start->ConstTerm(), e = end->ConstTerm();
  if (s < 0) s += n;  // INT64_MIN + n cannot wrap: n >= 0
  if (e < 0) e += n;
  s = k > 0 ? std::clamp<int64_t>(s, 0, n) : std::clamp<int64_t>(s, 0, n - 1);
  e = k > 0 ? std::clamp<int64_t>(e, 0, n) : std::clamp<int64_t>(e, -1, n - 1);
  if (k > 0 ? s >= e : s <= e) return Poly(0);
  const uint64_t span = static_cast<uint64_t>(k > 0 ? e - s : s - e);
  const uint64_t magnitude = k > 0 ? static_cast<uint64_t>(k) : -static_cast<uint64_t>(k);
  return Poly(static_cast<int64_t>((span - 1) / magnitude + 1));
}

}  // namespace

Status InferSlice(InferContext& c) {
  if (!c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  std::vector<Dim> out = c.Shape(0);
  const auto starts = c.Values(1), ends = c.Values(2);
  std::optional<std::vector<int64_t>> axes;
  if (c.Has(3)) axes = c.Consts(3);
  const auto steps = c.Has(4) ? c.Values(4) : std::nullopt;
  if (!c.Has(3) && starts) {
    axes.emplace();
    for (size_t i = 0; i < starts->size(); ++i) axes->push_back(static_cast<int64_t>(i));
  }
  if (!axes) {  // any axis may be cut
    c.Set(0, Type::Of(c.InType(0), UnknownDims(out.size())));
    return {};
  }
  HST_ASSIGN_OR_RETURN(axes, c.Axes(*axes, c.In(0).rank()));
  for (const auto* list : {&starts, &ends, &steps})
    if (*list && (*list)->size() != axes->size()) return c.Error("starts, ends, axes and steps differ in length");
  const auto element = [](const std::optional<std::vector<Dim>>& v, size_t i) { return v ? (*v)[i] : Dim(); };
  for (size_t i = 0; i < axes->size(); ++i) {
    Dim& d = out[static_cast<size_t>((*axes)[i])];
    const Dim step = c.Has(4) ? element(steps, i) : Dim(Poly(1));
    d = SliceLength(element(starts, i), element(ends, i), step, d);
  }
  const auto values = c.Values(0);
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  if (!values || c.In(0).rank() != 1 || axes->size() != 1) return {};
  const Dim length = c.node.output(0)->type.shape[0], step = c.Has(4) ? element(steps, 0) : Dim(Poly(1));
  const Dim start = element(starts, 0);
  if (!length || !start || !step || !length->IsConst() || !start->IsConst() || !step->IsConst()) return {};
  const int64_t n = static_cast<int64_t>(values->size()), k = step->ConstTerm();
  int64_t at = start->ConstTerm() < 0 ? start->ConstTerm() + n : start->ConstTerm();
  at = std::max<int64_t>(0, std::min(at, k > 0 ? n : n - 1));
  std::vector<Dim> part;
  for (int64_t i = 0; i < length->ConstTerm(); ++i, at += k) part.push_back((*values)[static_cast<size_t>(at)]);
  c.SetValues(0, std::move(part));
  return {};
}

Status InferPad(InferContext& c) {
  if (!c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  std::vector<Dim> out = c.Shape(0);
  const auto pads = c.Values(1);
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < c.In(0).rank(); ++i) axes.push_back(i);
  if (c.Has(3)) {
    const auto given = c.Consts(3);
    if (!given) {
      c.Set(0, Type::Of(c.InType(0), UnknownDims(out.size())));
      return {};
    }
    HST_ASSIGN_OR_RETURN(axes, c.Axes(*given, c.In(0).rank()));
  }
  if (pads && pads->size() != 2 * axes.size()) return c.Error("pads needs ", 2 * axes.size(), " elements, came ", pads->size());
  for (size_t i = 0; i < axes.size(); ++i) {
    Dim& d = out[static_cast<size_t>(axes[i])];
    d = pads ? DimAdd(d, DimAdd((*pads)[i], (*pads)[i + axes.size()])) : Dim();
  }
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  return {};
}

namespace {

Status DepthSpace(InferContext& c, bool to_space) {
  HST_RETURN_IF_ERROR(c.NeedRank(0, 4));
  const int64_t block = c.node.Int("blocksize", 0);
  if (block < 1 || block > 1 << 20) return c.Error("blocksize ", block);
  std::vector<Dim> out = UnknownDims(4);
  if (c.Ranked(0)) {
    const auto& s = c.Shape(0);
    const auto grow = [&](const Dim& d, int64_t by) { return DimMul(d, Poly(by)); };
    const auto shrink = [&](const Dim& d, int64_t by) { return d ? Poly::DivideExact(*d, Poly(by)) : Dim(); };
    out = to_space ? std::vector<Dim>{s[0], shrink(s[1], block * block), grow(s[2], block), grow(s[3], block)}
                   : std::vector<Dim>{s[0], grow(s[1], block * block), shrink(s[2], block), shrink(s[3], block)};
  }
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  return {};
}

}  // namespace

Status InferDepthToSpace(InferContext& c) { return DepthSpace(c, true); }
Status InferSpaceToDepth(InferContext& c) { return DepthSpace(c, false); }

Status InferCenterCropPad(InferContext& c) {
  if (!c.Ranked(0)) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  std::vector<Dim> out = c.Shape(0);
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < c.In(0).rank(); ++i) axes.push_back(i);
  if (c.node.HasAttr("axes")) {
    HST_ASSIGN_OR_RETURN(axes, c.Axes(c.node.Ints("axes"), c.In(0).rank()));
  }
  const auto target = c.Values(1);
  if (target && target->size() != axes.size()) return c.Error("shape needs ", axes.size(), " elements, came ", target->size());
  for (size_t i = 0; i < axes.size(); ++i) out[static_cast<size_t>(axes[i])] = target ? (*target)[i] : Dim();
  c.Set(0, Type::Of(c.InType(0), std::move(out)));
  return {};
}

}  // namespace hasten::ir
