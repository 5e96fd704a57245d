// Common subexpressions: nodes with the same op, attributes and operands are
// merged, in one sweep, so chains merge from the top. Weights first: small ones
// by content, large ones where they are the same bytes (tied embeddings).
#include <functional>
#include <unordered_map>

#include "passes/graph/match.h"
#include "passes/pass.h"

namespace hasten::passes {
namespace {

size_t Mix(size_t h, size_t v) { return (h ^ v) * 0x9e3779b97f4a7c15u + (h >> 29); }

// Exactly commutative in IEEE arithmetic (NaN payloads aside).
bool IsCommutative(std::string_view op) { return op == "add" || op == "mul" || op == "and" || op == "or" || op == "equal"; }

// The operands in the order that is compared.
std::vector<ir::Value*> Operands(const ir::Node& n) {
  std::vector<ir::Value*> in = n.inputs();
  if (in.size() == 2 && IsCommutative(n.op) && std::less<>()(in[1], in[0])) std::swap(in[0], in[1]);
  return in;
}

size_t HashNode(const ir::Node& n) {
  size_t h = std::hash<std::string>()(n.op);
  for (const ir::Value* v : Operands(n)) h = Mix(h, reinterpret_cast<uintptr_t>(v));
  for (const auto& [key, attr] : n.attrs) {
    h = Mix(h, std::hash<std::string>()(key));
    if (const auto* i = std::get_if<int64_t>(&attr)) h = Mix(h, static_cast<size_t>(*i));
  }
  return h;
}

bool SameAttr(const ir::Attr& a, const ir::Attr& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&](const auto& v) {
        using T = std::remove_cvref_t<decltype(v)>;
        if constexpr (std::is_same_v<T, ir::Tensor>) return SameTensor(v, std::get<T>(b));
        else return v == std::get<T>(b);   // nested graphs by identity; NaN never equal: not merged
      },
      a);
}

bool SameNode(const ir::Node& a, const ir::Node& b) {
  if (a.op != b.op || a.outputs().size() != b.outputs().size() || a.attrs.size() != b.attrs.size()) return false;
  if (Operands(a) != Operands(b)) return false;
  for (auto i = a.attrs.begin(), j = b.attrs.begin(); i != a.attrs.end(); ++i, ++j)
    if (i->first != j->first || !SameAttr(i->second, j->second)) return false;
  return true;
}

void MergeWeights(ir::Graph& graph, PassContext& context) {
  std::unordered_multimap<size_t, ir::Value*> seen;
  for (ir::Value* w : graph.weights()) {
    const ir::Tensor& t = w->weight();
    const bool small = t.bytes() <= context.options.small_weight_bytes;
    size_t h = static_cast<size_t>(t.dtype());
    for (int64_t d : t.dims()) h = Mix(h, static_cast<size_t>(d));
    h = small ? Mix(h, std::hash<std::string_view>()({reinterpret_cast<const char*>(t.raw()), t.bytes()}))
              : Mix(h, reinterpret_cast<uintptr_t>(t.raw()));
    ir::Value* same = nullptr;
    for (auto [it, end] = seen.equal_range(h); it != end && !same; ++it) {
      const ir::Tensor& other = it->second->weight();
      if (small ? SameTensor(other, t) : other.raw() == t.raw() && other.dims() == t.dims() && other.dtype() == t.dtype())
        same = it->second;
    }
    if (!same) {
      seen.emplace(h, w);
      continue;
    }
    graph.ReplaceAllUses(w, same);
    graph.EraseWeight(w);
    context.Count("weights");
  }
}

}  // namespace

Status Cse(ir::Graph& graph, PassContext& context) {
  MergeWeights(graph, context);
  std::unordered_multimap<size_t, ir::Node*> seen;
  std::vector<ir::Node*> order;
  for (const auto& n : graph.nodes()) order.push_back(n.get());
  for (ir::Node* n : order) {
    if (IsRandom(*n) || n->outputs().empty()) continue;
    const size_t h = HashNode(*n);
    ir::Node* same = nullptr;
    for (auto [it, end] = seen.equal_range(h); it != end && !same; ++it)
      if (SameNode(*it->second, *n)) same = it->second;
    if (!same) {
      seen.emplace(h, n);
      continue;
    }
    for (size_t i = 0; i < n->outputs().size(); ++i) {
      if (same->output(i)->type.dtype == DType::kInvalid) same->output(i)->type = n->output(i)->type;
      graph.ReplaceAllUses(n->output(i), same->output(i));
    }
    graph.EraseNode(n);
    context.Count("nodes");
  }
  return {};
}

}  // namespace hasten::passes
