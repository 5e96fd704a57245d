// Element rules of ops that move, repeat or generate elements by arithmetic on the
// index. Those that read their indices from a tensor are in element_gather_rules.cc.
#include "passes/recognize/element_rules.h"

#include <algorithm>

namespace hasten::recognize {
namespace {

using ir::Dim;
using ir::Node;
using ir::Poly;
using ir::Value;
using Index = std::vector<Poly>;

E Identity(Elements& el, const Node& n, int, const Index& index) { return el.At(n.input(0), index); }

E TransposeRule(Elements& el, const Node& n, int, const Index& index) {
  std::vector<int64_t> perm = n.Ints("perm");
  if (perm.empty())
    for (size_t i = index.size(); i > 0; --i) perm.push_back(static_cast<int64_t>(i - 1));
  if (perm.size() != index.size()) return nullptr;
  Index at(index.size());
  for (size_t i = 0; i < perm.size(); ++i) at[static_cast<size_t>(perm[i])] = index[i];
  return el.At(n.input(0), at);
}

// The input index of a reshape: equal runs of dims map one to one; otherwise the
// smallest groups with equal products are linearized and split again.
std::optional<Index> ReshapeIndex(ExprPool& pool, const std::vector<Dim>& in, const std::vector<Dim>& out, const Index& index) {
  std::vector<size_t> ins, outs;  // positions of the dims that are not 1
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i]) return std::nullopt;
    if (*in[i] != Poly(1)) ins.push_back(i);
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (!out[i]) return std::nullopt;
    if (*out[i] != Poly(1)) outs.push_back(i);
  }
  Index at(in.size(), Poly(0));
  size_t a = 0, b = 0;
  while (a < ins.size() || b < outs.size()) {
    bool matched = false;
    const size_t most = ins.size() - a + outs.size() - b;
    for (size_t total = 2; total <= most && !matched; ++total)
      for (size_t m = 1; m < total && !matched; ++m) {
        const size_t k = total - m;
        if (a + m > ins.size() || b + k > outs.size()) continue;
        Poly pa(1), pb(1);
        for (size_t i = 0; i < m; ++i) pa = pa * *in[ins[a + i]];
        for (size_t i = 0; i < k; ++i) pb = pb * *out[outs[b + i]];
        if (pa != pb) continue;
        Poly linear(0);
        for (size_t i = 0; i < k; ++i) linear = linear * *out[outs[b + i]] + index[outs[b + i]];
        for (size_t i = m; i > 0; --i) {
          if (i == 1) {
            at[ins[a]] = linear;
          } else {
            const auto [q, r] = pool.DivMod(linear, *in[ins[a + i - 1]]);
            at[ins[a + i - 1]] = r;
            linear = q;
          }
        }
        a += m, b += k;
        matched = true;
      }
    if (!matched) return std::nullopt;
  }
  return at;
}

E ReshapeRule(Elements& el, const Node& n, int, const Index& index) {
  const Value* x = n.input(0);
  if (!x->type.ranked) return nullptr;
  const auto at = ReshapeIndex(el.pool(), x->type.shape, n.output()->type.shape, index);
  return at ? el.At(x, *at) : nullptr;
}

E ExpandRule(Elements& el, const Node& n, int, const Index& index) {
  const auto at = el.Broadcast(n.input(0), n.output(), index);
  return at ? el.At(n.input(0), *at) : nullptr;
}

E SliceRule(Elements& el, const Node& n, int, const Index& index) {
  const Value* x = n.input(0);
  const auto starts = el.values().Find(n.input(1));
  if (!starts || !x->type.ranked) return nullptr;
  std::vector<int64_t> axes, steps(starts->size(), 1);
  if (n.input(3)) {
    const auto known = el.values().FindConst(n.input(3));
    if (!known) return nullptr;
    axes = *known;
  } else {
    for (size_t i = 0; i < starts->size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (n.input(4)) {
    const auto known = el.values().FindConst(n.input(4));
    if (!known) return nullptr;
    steps = *known;
  }
  if (axes.size() != starts->size() || steps.size() != starts->size()) return nullptr;
  Index at = index;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = static_cast<size_t>(axes[i] < 0 ? axes[i] + x->type.rank() : axes[i]);
    if (axis >= index.size() || !(*starts)[i] || steps[i] < 1) return nullptr;
    Poly start = *(*starts)[i];
    const Dim& dim = x->type.shape[axis];
    if (dim && !start.IsConst() && el.pool().ProveNonNegative(Poly(-1) - start)) start = *dim + start;  // [-length:]
    // A start beyond the dimension is clamped by ONNX: only a proved one is read as it is.
    if (const auto c = start.AsConst(); c && *c < 0) {
      if (!dim) return nullptr;
      start = *dim + start;
      if (!el.pool().ProveNonNegative(start)) {
        if (dim->AsConst()) start = Poly(0);  // e.g. -INT64_MAX
        else return nullptr;
      }
    } else if (!start.IsConst() && !el.pool().ProveNonNegative(start)) {
      // The last rows of a table, dim - length: the model is run within it.
      if (!dim || !dim->IsConst() || (*dim - start).ConstTerm() != 0 || !el.pool().ProveNonNegative(*dim - start)) return nullptr;
    } else if (!(start == Poly(0)) && (!dim || !el.pool().ProveNonNegative(*dim - start))) {
      // A symbolic start within a table of constant size: the model is run within it.
      if (!dim || !dim->IsConst() || start.IsConst() || !el.pool().ProveNonNegative(start)) return nullptr;
    }
    at[axis] = start + index[axis] * Poly(steps[i]);
  }
  return el.At(x, at);
}

E SplitRule(Elements& el, const Node& n, int out, const Index& index) {
  const Value* x = n.input(0);
  if (!x->type.ranked) return nullptr;
  const int64_t axis0 = n.Int("axis", 0);
  const size_t axis = static_cast<size_t>(axis0 < 0 ? axis0 + x->type.rank() : axis0);
  Poly start(0);
  for (int i = 0; i < out; ++i) {
    const Dim& d = n.output(static_cast<size_t>(i))->type.shape[axis];
    if (!d) return nullptr;
    start = start + *d;
  }
  Index at = index;
  at[axis] = at[axis] + start;
  return el.At(x, at);
}

E ConcatRule(Elements& el, const Node& n, int, const Index& index) {
  const int64_t axis0 = n.Int("axis", 0);
  const size_t axis = static_cast<size_t>(axis0 < 0 ? axis0 + static_cast<int64_t>(index.size()) : axis0);
  if (axis >= index.size()) return nullptr;
  ExprPool& pool = el.pool();
  const bool integer = !IsFloat(n.output()->type.dtype) && n.output()->type.dtype != DType::kBool;
  // Nested selects from the last part to the first; a part that cannot be hit is left out.
  std::vector<std::pair<Poly, Poly>> spans;  // [begin, end) of each part
  Poly begin(0);
  for (const Value* part : n.inputs()) {
    if (!part->type.ranked || !part->type.shape[axis]) return nullptr;
    const Poly end = begin + *part->type.shape[axis];
    spans.emplace_back(begin, end);
    begin = end;
  }
  E result = nullptr;
  for (size_t i = spans.size(); i > 0; --i) {
    const auto& [lo, hi] = spans[i - 1];
    if (lo == hi) continue;
    const E inside = pool.Ge0(hi - Poly(1) - index[axis]);
    if (result && inside->kind == Kind::kFalse) continue;
    Index at = index;
    at[axis] = index[axis] - lo;
    const E part = el.At(n.input(i - 1), at);
    result = result ? pool.Select(inside, part, result) : part;
  }
  return result && integer ? pool.Int(pool.AsPoly(result)) : result;
}

E RangeRule(Elements& el, const Node& n, int, const Index& index) {
  ExprPool& pool = el.pool();
  const E start = el.At(n.input(0), {}), delta = el.At(n.input(2), {});
  if (!IsFloat(n.output()->type.dtype)) return pool.Int(pool.AsPoly(start) + pool.AsPoly(delta) * index[0]);
  return pool.Binary(Op::kAdd, start, pool.Binary(Op::kMul, delta, pool.ToFloat(pool.Int(index[0]))));
}

E ConstantOfShapeRule(Elements& el, const Node& n, int, const Index&) {
  const auto it = n.attrs.find("value");
  if (it == n.attrs.end()) return el.pool().Const(0);
  const ir::Tensor& t = std::get<ir::Tensor>(it->second);
  if (t.dtype() == DType::kBool) return el.pool().Bool(t.IntAt(0) != 0);
  return IsFloat(t.dtype()) ? el.pool().Const(t.At(0)) : el.pool().Int(Poly(t.IntAt(0)));
}

// One triangle of the last two axes, the other zero: upper keeps j - i >= k, lower j - i <= k.
E TriluRule(Elements& el, const Node& n, int, const Index& index) {
  Poly k(0);
  if (n.input(1)) {
    const auto known = el.values().Find(n.input(1));
    if (!known || known->size() != 1 || !(*known)[0]) return nullptr;
    k = *(*known)[0];
  }
  ExprPool& pool = el.pool();
  const Poly d = index.back() - index[index.size() - 2] - k;
  const E kept = n.Int("upper", 1) ? pool.Ge0(d) : pool.Ge0(Poly(0) - d);
  const E x = el.At(n.input(0), index);
  const DType t = n.output()->type.dtype;
  if (t == DType::kBool) return pool.And(kept, x);
  if (IsFloat(t)) return pool.Select(kept, x, pool.Const(0));
  return pool.Int(pool.AsPoly(pool.Select(kept, x, pool.Int(Poly(0)))));
}

E TileRule(Elements& el, const Node& n, int, const Index& index) {
  const Value* x = n.input(0);
  if (!x->type.ranked || x->type.shape.size() != index.size()) return nullptr;
  const auto repeats = el.values().Find(n.input(1));
  Index at;
  for (size_t i = 0; i < index.size(); ++i) {
    if (!x->type.shape[i]) return nullptr;
    const bool once = repeats && i < repeats->size() && (*repeats)[i] == Dim(Poly(1));
    at.push_back(once ? index[i] : el.pool().DivMod(index[i], *x->type.shape[i]).second);
  }
  return el.At(x, at);
}

struct Row {
  std::string_view op;
  ElementRule rule;
};

constexpr Row kRules[] = {
    {"identity", Identity}, {"dropout", Identity}, {"transpose", TransposeRule}, {"reshape", ReshapeRule},
    {"flatten", ReshapeRule}, {"unsqueeze", ReshapeRule}, {"squeeze", ReshapeRule}, {"expand", ExpandRule},
    {"slice", SliceRule}, {"split", SplitRule}, {"concat", ConcatRule}, {"tile", TileRule},
    {"range", RangeRule}, {"constant_of_shape", ConstantOfShapeRule}, {"trilu", TriluRule},
};

}  // namespace

ElementRule FindViewRule(std::string_view op) {
  for (const Row& row : kRules)
    if (row.op == op) return row.rule;
  return FindGatherRule(op);
}

}  // namespace hasten::recognize
