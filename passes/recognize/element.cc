#include "passes/recognize/element.h"

#include <algorithm>

namespace hasten::recognize {

using ir::Poly;
using ir::Value;
using Index = std::vector<Poly>;

E Elements::At(const Value* v, const Index& index) {
  const auto key = std::make_pair(v, index);
  if (const auto it = memo_.find(key); it != memo_.end()) return it->second;
  if (const auto it = aliases_.find(v); it != aliases_.end()) return memo_[key] = it->second(index);
  E e = nullptr;
  constexpr int kMaxDepth = 4000;  // a chain longer than any model's between two anchors
  if (depth_ > kMaxDepth) {
    e = Opaque(v, index, "the chain of operators before it is too long to analyse");
  } else {
    ++depth_;
    if (v->def()) pool_.SetOrigin(v->def());
    e = Compute(v, index);
    --depth_;
  }
  return memo_[key] = e;
}

E Elements::Compute(const Value* v, const Index& index) {
  if (v->is_weight()) return Weight(v, index);
  if (v->is_input()) return Input(v, index);
  const ir::Node& node = *v->def();
  // A shape computation whose value is known needs no further look.
  if (index.size() <= 1 && !IsFloat(v->type.dtype))
    if (const auto known = values_.Find(v)) {
      const auto at = index.empty() ? std::optional<int64_t>(0) : index[0].AsConst();
      if (at && *at >= 0 && *at < static_cast<int64_t>(known->size()) && (*known)[static_cast<size_t>(*at)]) {
        const Poly& p = *(*known)[static_cast<size_t>(*at)];
        return v->type.dtype == DType::kBool && p.IsConst() ? pool_.Bool(p.ConstTerm() != 0) : pool_.Int(p);
      }
    }
  const ElementRule rule = FindElementRule(node.op);
  if (!rule) return Opaque(v, index, StrCat("operator ", node.op, " has no meaning to recognition"));
  if (!v->type.ranked) return Opaque(v, index, "its rank is not known");
  const E e = rule(*this, node, v->def_index(), index);
  return e ? e : Opaque(v, index, StrCat("this form of ", node.op, " is not understood"));
}

E Elements::Input(const Value* v, const Index& index) {
  switch (roles_.of.at(v)) {
    case Role::kAttentionMask: return IsFloat(v->type.dtype) ? pool_.Const(1) : v->type.dtype == DType::kBool ? pool_.Bool(true) : pool_.Int(Poly(1));
    case Role::kPositions: return pool_.Int(roles_.past + index.back());
    case Role::kTokenIds: case Role::kTokenTypes: return pool_.Int(pool_.AsPoly(pool_.Load(v, index)));
    case Role::kPast: case Role::kOther: break;
  }
  return pool_.Load(v, index);
}

namespace {

// Integer tables that exporters store instead of computing them.

// [.., i, j] = (0 <= i - j < width): the causal mask, and a window of it. 0: not of that form.
int64_t TriangleWidth(const ir::Tensor& t) {
  const int64_t n = t.rank() >= 2 ? t.dim(-1) : 0;
  if (n < 2 || t.dim(-2) != n || t.elements() != n * n || n > (1 << 14)) return 0;
  int64_t width = 0;   // the last row shows it
  for (int64_t j = n - 1; j >= 0 && t.IntAt((n - 1) * n + j) == 1; --j) ++width;
  for (int64_t i = 0; i < t.elements(); ++i) {
    const int64_t behind = i / n - i % n;
    if (t.IntAt(i) != (behind >= 0 && behind < width ? 1 : 0)) return 0;
  }
  return width;
}

// line[i] = first + step * ((i / run) % period): positions, columns counted by two,
// and the indices of a repeat, element by element or as a whole.
struct Progression {
  int64_t first = 0, step = 0, run = 1, period = 1;
  int64_t At(int64_t i) const { return first + step * ((i / run) % period); }
};

std::optional<Progression> AsProgression(const std::vector<int64_t>& line) {
  const auto n = static_cast<int64_t>(line.size());
  const auto at = [&](int64_t i) { return line[static_cast<size_t>(i)]; };
  Progression p;
  p.first = at(0);
  while (p.run < n && at(p.run) == p.first) ++p.run;
  if (p.run < n && __builtin_sub_overflow(at(p.run), p.first, &p.step)) return std::nullopt;
  const int64_t least = *std::min_element(line.begin(), line.end()), most = *std::max_element(line.begin(), line.end());
  if (least < 0 || most > (int64_t{1} << 31)) return std::nullopt;  // a negative index means another thing
  while (p.period * p.run < n && at(p.period * p.run) == p.first + p.step * p.period) ++p.period;
  for (int64_t i = 0; i < n; ++i)
    if (at(i) != p.At(i)) return std::nullopt;
  return p;
}

}  // namespace

// A line of an integer table, where `index` moves along one dimension alone.
std::optional<Poly> Elements::Line(const ir::Tensor& t, const Index& index) {
  int64_t axis = -1, offset = 0, stride = 1;
  for (int64_t i = t.rank() - 1, below = 1; i >= 0; below *= t.dim(i), --i) {
    if (t.dim(i) == 1) continue;
    const auto c = index[static_cast<size_t>(i)].AsConst();
    if (!c && axis >= 0) return std::nullopt;
    if (c && (*c < 0 || *c >= t.dim(i))) return std::nullopt;
    if (c) offset += *c * below;
    else axis = i, stride = below;
  }
  constexpr int64_t kLongest = 1 << 22;
  if (axis < 0 || t.dim(axis) > kLongest || t.dim(axis) < 1) return std::nullopt;
  std::vector<int64_t> line;
  for (int64_t i = 0; i < t.dim(axis); ++i) line.push_back(t.IntAt(offset + i * stride));
  const auto p = AsProgression(line);
  if (!p) return std::nullopt;
  Poly count = pool_.DivMod(index[static_cast<size_t>(axis)], Poly(p->run)).first;
  if (p->run * p->period < t.dim(axis)) count = pool_.DivMod(count, Poly(p->period)).second;
  return Poly(p->first) + Poly(p->step) * count;
}

E Elements::Weight(const Value* v, const Index& index) {
  const ir::Tensor& t = v->weight();
  const bool is_float = IsFloat(t.dtype());
  const auto element = [&](int64_t i) -> E {
    if (t.dtype() == DType::kBool) return pool_.Bool(t.IntAt(i) != 0);
    return is_float ? pool_.Const(t.At(i)) : pool_.Int(Poly(t.IntAt(i)));
  };
  int64_t flat = 0;
  bool constant = true;
  for (size_t i = 0; i < index.size() && constant; ++i) {
    auto c = index[i].AsConst();
    const int64_t dim = t.dim(static_cast<int64_t>(i));
    if (dim == 1) c = 0;
    constant = c && *c >= 0 && *c < dim;
    if (constant) flat = flat * dim + *c;
  }
  if (constant && t.elements() > 0) return element(flat);
  if (!is_float || t.elements() <= 4096) {  // all elements alike: a constant
    bool same = t.elements() > 0;
    for (int64_t i = 1; i < t.elements() && same; ++i) same = t.At(i) == t.At(0);
    if (same) return element(0);
  }
  if (!is_float) {
    if (const auto p = t.dtype() == DType::kBool ? std::nullopt : Line(t, index)) return pool_.Int(*p);
    const int64_t width = TriangleWidth(t);
    if (width == 0) return pool_.Int(pool_.AsPoly(pool_.Load(v, index)));
    const Poly behind = index[index.size() - 2] - index.back();
    const E near = width == t.dim(-1) ? pool_.Bool(true) : pool_.Ge0(Poly(width - 1) - behind);
    const E lower = pool_.And(pool_.Ge0(behind), near);
    return t.dtype() == DType::kBool ? lower : pool_.Int(pool_.AsPoly(pool_.Select(lower, pool_.Int(Poly(1)), pool_.Int(Poly(0)))));
  }
  return pool_.Load(v, index);
}

E Elements::Opaque(const Value* v, const Index& index, std::string why) {
  opaque_.try_emplace(v, std::move(why));
  const E load = pool_.Load(v, index);
  return IsFloat(v->type.dtype) ? load : pool_.Int(pool_.AsPoly(load));
}

std::string Elements::WhyOpaque(const Value* v) const {
  const auto it = opaque_.find(v);
  return it == opaque_.end() ? std::string() : it->second;
}

std::optional<Index> Elements::Broadcast(const Value* operand, const Value* out_value, const Index& index) const {
  if (!operand->type.ranked || !out_value->type.ranked || out_value->type.shape.size() != index.size()) return std::nullopt;
  const size_t rank = operand->type.shape.size();
  if (rank > index.size()) return std::nullopt;
  Index out;
  for (size_t i = 0; i < rank; ++i) {
    const ir::Dim& d = operand->type.shape[i];
    const size_t at = index.size() - rank + i;
    if (!d) return std::nullopt;
    if (*d != Poly(1) && out_value->type.shape[at] != d) return std::nullopt;
    out.push_back(*d == Poly(1) ? Poly(0) : index[at]);
  }
  return out;
}

std::string Elements::ReduceVar(const ir::Node* node, const Poly& extent, int which) {
  const int id = reduce_ids_.try_emplace({node, which}, static_cast<int>(reduce_ids_.size())).first->second;
  return pool_.Var(StrCat("r", id), extent).Symbols()[0];
}

}  // namespace hasten::recognize
