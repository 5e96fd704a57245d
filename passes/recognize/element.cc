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

// Tables that exporters store instead of computing: [.., i, j] = (j <= i), and i.
enum class Table { kNone, kLowerTriangle, kIota };

Table Classify(const ir::Tensor& t) {
  const int64_t n = t.rank() ? t.dim(-1) : 0;
  if (n < 2 || t.elements() > (int64_t{1} << 28)) return Table::kNone;
  bool iota = t.elements() == n, triangle = t.rank() >= 2 && t.dim(-2) == n && t.elements() == n * n;
  for (int64_t i = 0; i < t.elements() && (iota || triangle); ++i) {
    const int64_t value = t.IntAt(i);
    iota = iota && value == i;
    triangle = triangle && value == (i % n <= i / n ? 1 : 0);
  }
  return iota ? Table::kIota : triangle ? Table::kLowerTriangle : Table::kNone;
}

}  // namespace

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
    switch (Classify(t)) {
      case Table::kIota: return pool_.Int(index.back());
      case Table::kLowerTriangle: {
        const E lower = pool_.Ge0(index[index.size() - 2] - index.back());
        return t.dtype() == DType::kBool ? lower : pool_.Int(pool_.AsPoly(pool_.Select(lower, pool_.Int(Poly(1)), pool_.Int(Poly(0)))));
      }
      case Table::kNone: return pool_.Int(pool_.AsPoly(pool_.Load(v, index)));
    }
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
