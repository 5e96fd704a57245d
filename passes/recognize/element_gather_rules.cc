// Element rules of ops whose indices are the elements of another tensor.
// Semantics: ONNX opset 24.
#include "passes/recognize/element_rules.h"

namespace hasten::recognize {
namespace {

using ir::Node;
using ir::Poly;
using ir::Value;
using Index = std::vector<Poly>;

// data[.., indices[..], ..]: an index that is constant and negative counts from the end.
E GatherRule(Elements& el, const Node& n, int, const Index& index) {
  const Value *data = n.input(0), *indices = n.input(1);
  if (!data->type.ranked || !indices->type.ranked) return nullptr;
  const int64_t axis0 = n.Int("axis", 0);
  const size_t axis = static_cast<size_t>(axis0 < 0 ? axis0 + data->type.rank() : axis0);
  const size_t q = indices->type.shape.size();
  if (axis >= data->type.shape.size() || index.size() != q + data->type.shape.size() - 1) return nullptr;
  const Index where(index.begin() + static_cast<long>(axis), index.begin() + static_cast<long>(axis + q));
  Poly chosen = el.pool().AsPoly(el.At(indices, where));
  if (const auto c = chosen.AsConst(); c && *c < 0) {
    if (!data->type.shape[axis]) return nullptr;
    chosen = chosen + *data->type.shape[axis];
  }
  Index at(index.begin(), index.begin() + static_cast<long>(axis));
  at.push_back(chosen);
  at.insert(at.end(), index.begin() + static_cast<long>(axis + q), index.end());
  return el.At(data, at);
}

E GatherNdRule(Elements& el, const Node& n, int, const Index& index) {
  const Value *data = n.input(0), *indices = n.input(1);
  if (n.Int("batch_dims", 0) != 0 || !data->type.ranked || !indices->type.ranked || !indices->type.shape.back()) return nullptr;
  const auto depth = indices->type.shape.back()->AsConst();
  const size_t q = indices->type.shape.size();
  if (!depth || *depth < 1 || *depth > data->type.rank()) return nullptr;
  Index where(index.begin(), index.begin() + static_cast<long>(q - 1)), at;
  where.push_back(Poly(0));
  for (int64_t i = 0; i < *depth; ++i) {
    where.back() = Poly(i);
    Poly p = el.pool().AsPoly(el.At(indices, where));
    if (const auto c = p.AsConst(); c && *c < 0) {
      if (!data->type.shape[static_cast<size_t>(i)]) return nullptr;
      p = p + *data->type.shape[static_cast<size_t>(i)];
    }
    at.push_back(p);
  }
  at.insert(at.end(), index.begin() + static_cast<long>(q - 1), index.end());
  return at.size() == data->type.shape.size() ? el.At(data, at) : nullptr;
}

E GatherElementsRule(Elements& el, const Node& n, int, const Index& index) {
  const Value* data = n.input(0);
  const int64_t axis0 = n.Int("axis", 0);
  const size_t axis = static_cast<size_t>(axis0 < 0 ? axis0 + static_cast<int64_t>(index.size()) : axis0);
  if (axis >= index.size() || !data->type.ranked) return nullptr;
  Index at = index;
  at[axis] = el.pool().AsPoly(el.At(n.input(1), index));
  if (const auto c = at[axis].AsConst(); c && *c < 0) {
    if (!data->type.shape[axis]) return nullptr;
    at[axis] = at[axis] + *data->type.shape[axis];
  }
  return el.At(data, at);
}

// A block written over the start of data: indices[x.., j] = x_j, as exporters
// spell `mask[:, :, :, :n] = update`. The update is read inside the block.
E ScatterNdRule(Elements& el, const Node& n, int, const Index& index) {
  const Value *data = n.input(0), *indices = n.input(1), *updates = n.input(2);
  if (n.Str("reduction", "none") != "none" || !indices->type.ranked || !indices->type.shape.back()) return nullptr;
  const auto depth = indices->type.shape.back()->AsConst();
  const size_t q = indices->type.shape.size() - 1;
  if (!depth || *depth != static_cast<int64_t>(q) || q > index.size()) return nullptr;
  ExprPool& pool = el.pool();
  Index where;
  for (size_t i = 0; i < q; ++i) {
    if (!indices->type.shape[i]) return nullptr;
    where.push_back(*indices->type.shape[i] == Poly(1) ? Poly(0) : pool.Var(StrCat("w", i), *indices->type.shape[i]));
  }
  E inside = pool.Bool(true);
  for (size_t i = 0; i < q; ++i) {
    Index at = where;
    at.push_back(Poly(static_cast<int64_t>(i)));
    if (pool.AsPoly(el.At(indices, at)) != where[i]) return nullptr;
    inside = pool.And(inside, pool.Ge0(*indices->type.shape[i] - Poly(1) - index[i]));
  }
  const E e = pool.Select(inside, el.At(updates, index), el.At(data, index));
  return IsFloat(n.output()->type.dtype) || n.output()->type.dtype == DType::kBool ? e : pool.Int(pool.AsPoly(e));
}

struct Row {
  std::string_view op;
  ElementRule rule;
};

constexpr Row kRules[] = {
    {"gather", GatherRule}, {"gather_nd", GatherNdRule}, {"gather_elements", GatherElementsRule}, {"scatter_nd", ScatterNdRule},
};

}  // namespace

ElementRule FindGatherRule(std::string_view op) {
  for (const Row& row : kRules)
    if (row.op == op) return row.rule;
  return nullptr;
}

}  // namespace hasten::recognize
