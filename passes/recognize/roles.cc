#include "passes/recognize/roles.h"

#include <algorithm>

#include "compiler/ir/ops.h"

namespace hasten::recognize {
namespace {

using ir::Dim;
using ir::Poly;
using ir::Value;

bool Contains(std::string_view s, std::string_view part) { return s.find(part) != std::string_view::npos; }

Role RoleByName(const Value& v) {
  const bool integer = !IsFloat(v.type.dtype);
  const int64_t rank = v.type.ranked ? v.type.rank() : -1;
  if (Contains(v.name, "attention_mask") && rank == 2) return Role::kAttentionMask;
  if ((Contains(v.name, "position_ids") && rank == 2) || (Contains(v.name, "cache_position") && rank == 1))
    return Role::kPositions;
  if (Contains(v.name, "token_type") || Contains(v.name, "segment_ids")) return Role::kTokenTypes;
  if (integer && rank == 2 && (Contains(v.name, "input_ids") || v.name == "ids" || v.name == "tokens" || v.name == "input"))
    return Role::kTokenIds;
  if (!integer && rank == 4 && (Contains(v.name, "past") || Contains(v.name, "cache"))) return Role::kPast;
  return Role::kOther;
}

// Renames symbols in every input type: `from` becomes `to` wherever it stands.
void SubstituteDims(ir::Graph& graph, const std::string& from, const Poly& to) {
  for (Value* in : graph.inputs())
    for (Dim& d : in->type.shape)
      if (d) d = d->Substitute(from, to);
}

std::optional<std::string> LoneSymbol(const Dim& d) {
  if (!d || d->terms().size() != 1) return std::nullopt;
  const auto& [m, c] = *d->terms().begin();
  return m.size() == 1 && c == 1 ? std::optional<std::string>(m[0]) : std::nullopt;
}

// Gives dimension `d` the name `name`: renames its symbol, or names an unknown one.
void NameDim(ir::Graph& graph, Dim& d, const std::string& name) {
  if (!d) { d = Poly::Symbol(name); return; }
  if (const auto s = LoneSymbol(d); s && *s != name) SubstituteDims(graph, *s, Poly::Symbol(name));
}

// Other models' symbols may happen to be called B, S or P: move them away first.
void ClearNames(ir::Graph& graph) {
  for (const char* name : {"B", "S", "P"}) SubstituteDims(graph, name, Poly::Symbol(StrCat("dim_", name)));
}

// A cache input whose head size is only a name ("kv_cache_dim") is joined to new
// keys and values whose head size is known: they must agree.
Status NameHeadSizes(ir::Graph& graph, const Roles& roles) {
  HST_RETURN_IF_ERROR(ir::InferTypes(graph));
  for (Value* in : graph.inputs()) {
    if (roles.of.at(in) != Role::kPast) continue;
    for (const ir::Node* user : in->users()) {
      if (user->op != "concat") continue;
      const int64_t axis = user->Int("axis", 0) < 0 ? user->Int("axis", 0) + in->type.rank() : user->Int("axis", 0);
      for (const Value* part : user->inputs())
        for (size_t i = 0; i < in->type.shape.size() && part->type.ranked && part->type.rank() == in->type.rank(); ++i) {
          const Dim &mine = in->type.shape[i], &other = part->type.shape[i];
          if (static_cast<int64_t>(i) == axis || !other || !other->IsConst()) continue;
          if (!mine) in->type.shape[i] = other;
          else if (const auto s = LoneSymbol(mine); s && *s != "B" && *s != "S" && *s != "P") SubstituteDims(graph, *s, *other);
        }
    }
  }
  return {};
}

// The id c of `cum_sum(ids != c)`; nullopt when the node counts something else.
std::optional<int64_t> CountedOut(const ir::Node& cum_sum, const Roles& roles) {
  const Value* v = cum_sum.input(0);
  while (v->def() && v->def()->op == "cast") v = v->def()->input(0);
  if (!v->def() || v->def()->op != "not") return std::nullopt;
  v = v->def()->input(0);
  if (!v->def() || v->def()->op != "equal") return std::nullopt;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    const Value *ids = v->def()->input(i), *id = v->def()->input(1 - i);
    if (!roles.of.count(ids) || roles.of.at(ids) != Role::kTokenIds || !id->is_weight() || id->weight().elements() != 1) continue;
    return id->weight().IntAt(0);
  }
  return std::nullopt;
}

}  // namespace

Result<Roles> AssignRoles(ir::Graph& graph) {
  Roles roles;
  std::string unknown;
  for (Value* in : graph.inputs()) {
    const Role role = RoleByName(*in);
    roles.of[in] = role;
    if (role == Role::kTokenIds && !roles.ids) roles.ids = in;
    if (role == Role::kPast) roles.cached = true;
    if (role == Role::kOther) unknown += StrCat(unknown.empty() ? "" : ", ", "\"", in->name, "\" (", TypeString(in->type), ")");
  }
  if (!roles.ids)
    return Unsupported("no input of token ids was found: needed an integer input [batch, sequence] named input_ids; the inputs are ", unknown);
  if (!unknown.empty())
    return Unsupported("these inputs have no meaning that hasten knows: ", unknown,
                       ". Known are input_ids, attention_mask, position_ids, token_type_ids, cache_position and past key values");
  ClearNames(graph);
  Value* ids = graph.FindValue(roles.ids->name);
  NameDim(graph, ids->type.shape[0], "B");
  NameDim(graph, ids->type.shape[1], "S");
  if (roles.cached)
    for (Value* in : graph.inputs())
      if (roles.of[in] == Role::kPast) {
        NameDim(graph, in->type.shape[0], "B");
        NameDim(graph, in->type.shape[2], "P");
      }
  const Poly past = roles.cached ? Poly::Symbol("P") : Poly(0);
  const Dim total = past + ids->type.shape[1].value_or(Poly(0));
  for (Value* in : graph.inputs()) {
    const Role role = roles.of[in];
    if (role != Role::kAttentionMask && role != Role::kPositions && role != Role::kTokenTypes) continue;
    Dim& last = in->type.shape.back();
    const Dim wanted = role == Role::kAttentionMask ? total : ids->type.shape[1];
    if (const auto s = LoneSymbol(last); s && last != wanted && *s != "S" && *s != "B") SubstituteDims(graph, *s, *wanted);
    if (!last) last = wanted;
    if (in->type.rank() == 2) NameDim(graph, in->type.shape[0], "B");
  }
  roles.past = past;
  for (const auto& node : graph.nodes())
    if (node->op == "cum_sum")
      if (const auto id = CountedOut(*node, roles)) roles.padding.insert(*id);
  HST_RETURN_IF_ERROR(NameHeadSizes(graph, roles));
  return roles;
}

}  // namespace hasten::recognize
