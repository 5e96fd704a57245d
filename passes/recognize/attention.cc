// Attention in element expressions: sum_k softmax(scores)(q, k) * v(k), whatever
// transposes, repeats and reshapes of heads an exporter wrote around it. Keys and
// values are split into what came from the cache and what is new; the mask must
// be proved causal, sliding or full.
#include "passes/recognize/attention.h"

#include <algorithm>

#include "passes/recognize/lower.h"

namespace hasten::recognize {

using ir::Poly;
using ir::Value;

namespace {

// How query heads share KV heads: the divisor of h in a key or value expression.
int64_t HeadsPerKv(const ExprPool& pool, E key, const Space& space) {
  if (space.groups == 1) return 1;
  int64_t rep = 0;
  pool.Visit(key, [&](E x) {
    if (x->kind == Kind::kDiv && x->poly == space.h)
      if (const auto d = x->poly2.AsConst()) rep = std::max(rep, *d);
  });
  if (rep) return rep;
  return pool.Uses(key, space.h.Symbols()[0]) ? 1 : space.groups;  // unused: one KV head for all
}

}  // namespace

Result<Value*> Lowering::Attention(E sum, const Space& space) {
  const Poly k = Poly::Symbol(sum->var);
  const auto refuse = [&](const auto&... why) {
    return Unsupported("attention: ", why..., sum->origin ? StrCat(" (node \"", sum->origin->loc, "\")") : std::string());
  };
  // sum_k p(q, k) * v(k)
  E load = nullptr, value = pool().Const(1);
  for (const auto& [f, below] : Factors(sum->args[0])) {
    E p = f;
    if (p->kind == Kind::kSelect && p->args[0]->kind == Kind::kIsNan && p->args[0]->args[0] == p->args[2]) p = p->args[2];
    if (!below && !load && p->kind == Kind::kLoad && softmax_.count(p->value)) load = p;
    else value = pool().Binary(below ? Op::kDiv : Op::kMul, value, f);
  }
  if (!load) return Unsupported(Explain(sum));
  const ir::Node* softmax = load->value->def();
  std::string why;
  const E scores_at = el_.At(softmax->input(0), load->index);
  const auto scores = ParseScores(pool(), scores_at, space.row, k, &why);
  if (!scores) return refuse(why, ", softmax \"", softmax->loc, "\"");
  const auto head_dim = scores->head_dim.AsConst();
  if (!head_dim) return refuse("the head size is not a constant");
  const auto mask = ProveMask(pool(), scores->visible, el_.roles().past, space.row, k);
  if (!mask)
    return refuse("the mask could not be proved to be causal, sliding or full; keys are seen where ",
                  pool().ToString(scores->visible, 8), ", softmax \"", softmax->loc, "\"");
  if (!mask->causal && (mask->ahead || mask->window) && el_.roles().cached)
    return refuse("a window shows keys that are not yet in the cache, softmax \"", softmax->loc, "\"");
  const auto slopes = ReadAlibi(pool(), *scores, {el_.roles().past + space.row - k, k, space.h, space.groups, mask->causal}, &why);
  if (!slopes) return refuse(why, ", softmax \"", softmax->loc, "\"");
  const std::string row = space.row.IsConst() ? std::string("$none") : space.row.Symbols()[0];
  if (pool().Uses(scores->key, row) || pool().Uses(value, row)) return refuse("keys or values depend on the query's position");

  // Heads: h = kv * rep + j, and nothing of a key may depend on j.
  const int64_t rep = std::max(HeadsPerKv(pool(), scores->key, space), HeadsPerKv(pool(), value, space));
  if (space.groups % rep) return refuse(space.groups, " query heads are not a multiple of the ", rep, " that share a key");
  const int64_t kv_heads = space.groups / rep;
  Space kv_k = MakeSpace(kv_heads, *head_dim), kv_v = MakeSpace(kv_heads, space.width);
  const Poly j = rep == 1 ? Poly(0) : pool().Var("j", Poly(rep));
  ExprPool::Subst heads;
  if (space.groups > 1) heads[space.h.Symbols()[0]] = kv_k.h * Poly(rep) + j;
  const auto per_kv = [&](E e, ExprPool::Subst subst) {
    subst.insert(heads.begin(), heads.end());
    return pool().Replace(e, subst);
  };
  // The whole cache at position t, its cached part at p < P, its new part at P + s.
  const Poly past = el_.roles().past;
  const Poly t = pool().Var("t", past + *el_.roles().ids->type.shape[1]);
  const E key_t = per_kv(scores->key, {{sum->var, t}, {scores->var, kv_k.d}});
  const E value_t = per_kv(value, {{sum->var, t}});
  const std::string t_name = t.Symbols()[0];
  if (rep > 1 && (pool().Uses(key_t, j.Symbols()[0]) || pool().Uses(value_t, j.Symbols()[0]))) return refuse("query heads do not share keys in equal runs");
  const E key_new = pool().Replace(key_t, {{t_name, past + kv_k.row}}), value_new = pool().Replace(value_t, {{t_name, past + kv_k.row}});
  std::vector<Value*> cache;
  ir::Attrs attrs;
  if (el_.roles().cached) {
    const Poly p = pool().Var("p", past);
    for (const bool is_key : {true, false}) {
      const Space& kv = is_key ? kv_k : kv_v;
      const E old = pool().Replace(is_key ? key_t : value_t, {{t_name, p}});
      const bool ok = old->kind == Kind::kLoad && el_.roles().of.count(old->value) && el_.roles().of.at(old->value) == Role::kPast &&
                      old->index == std::vector<Poly>{kv.b, kv.h, p, kv.d};
      if (!ok) return refuse("cached ", is_key ? "keys" : "values", " are read as ", pool().ToString(old, 4), ", not as past[b, head, position, d]");
      cache.push_back(Import(old->value));
      attrs[is_key ? "past_k" : "past_v"] = old->value->name;
    }
  }
  Space query = MakeSpace(space.groups, *head_dim);
  query.row = space.row;
  HST_ASSIGN_OR_RETURN(Value * q, Rows(pool().Replace(scores->query, {{scores->var, query.d}}), query));
  HST_ASSIGN_OR_RETURN(Value * key_rows, Rows(key_new, kv_k));
  HST_ASSIGN_OR_RETURN(Value * value_rows, Rows(value_new, kv_v));
  attrs["heads"] = space.groups;
  attrs["kv_heads"] = kv_heads;
  attrs["head_dim"] = *head_dim;
  attrs["v_head_dim"] = space.width;
  attrs["scale"] = scores->scale;
  attrs["softcap"] = scores->softcap;
  attrs["causal"] = int64_t{mask->causal};
  attrs["window"] = mask->window;
  if (mask->ahead) attrs["ahead"] = mask->ahead;
  if (!slopes->empty()) attrs["slopes"] = *slopes;
  std::vector<Value*> inputs = {q, key_rows, value_rows};
  inputs.insert(inputs.end(), cache.begin(), cache.end());
  ir::Node* node = target_.AddNode("attention", std::move(inputs), 3, std::move(attrs), softmax->loc);
  Value* out = node->output();
  const auto& ids = el_.roles().ids->type.shape;
  out->type = ir::Type::Of(DType::kF32, {ids[0], ids[1], Poly(space.cols())});
  node->output(1)->type = ir::Type::Of(DType::kF32, {ids[0], Poly(kv_heads), past + *ids[1], Poly(*head_dim)});
  node->output(2)->type = ir::Type::Of(DType::kF32, {ids[0], Poly(kv_heads), past + *ids[1], Poly(space.width)});
  AddRow(out, space.cols());
  attentions_.push_back({node, key_t, value_t, kv_heads, *head_dim, space.width});
  return out;
}

}  // namespace hasten::recognize
