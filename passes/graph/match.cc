#include "passes/graph/match.h"

#include <algorithm>
#include <cstring>

namespace hasten::passes {

bool IsRandom(const ir::Node& node) {
  return node.op == "bernoulli" || (node.op == "dropout" && node.input(2)) || node.op.starts_with("random_");
}

bool HasNestedGraph(const ir::Node& node) {
  return std::any_of(node.attrs.begin(), node.attrs.end(),
                     [](const auto& a) { return std::holds_alternative<std::shared_ptr<ir::Graph>>(a.second); });
}

bool SameTensor(const ir::Tensor& a, const ir::Tensor& b) {
  return a.dtype() == b.dtype() && a.dims() == b.dims() &&
         (a.raw() == b.raw() || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

ir::Node* DefinedBy(const ir::Value* v, std::string_view op) { return v && v->def() && v->def()->op == op ? v->def() : nullptr; }

std::optional<double> UniformValue(const ir::Value* v) {
  constexpr int64_t kMaxElements = 4096;
  if (!v || !v->is_weight() || v->weight().elements() < 1 || v->weight().elements() > kMaxElements) return std::nullopt;
  const ir::Tensor& t = v->weight();
  const double first = t.At(0);
  for (int64_t i = 1; i < t.elements(); ++i)
    if (t.At(i) != first) return std::nullopt;
  return first;
}

std::optional<std::vector<int64_t>> ConstInts(const ir::Value* v) {
  constexpr int64_t kMaxElements = 64;
  if (!v || !v->is_weight() || IsFloat(v->weight().dtype()) || v->weight().elements() > kMaxElements) return std::nullopt;
  return v->weight().ToInts();
}

bool SameShape(const ir::Type& a, const ir::Type& b) {
  return a.ranked && b.ranked && a.shape == b.shape &&
         std::all_of(a.shape.begin(), a.shape.end(), [](const ir::Dim& d) { return d.has_value(); });
}

bool MayBeEmpty(const ir::Dim& d) {
  if (!d) return true;
  if (d->IsConst()) return d->ConstTerm() == 0;
  const std::vector<std::string> symbols = d->Symbols();
  return symbols.size() == 1 && (symbols[0] == "P" || symbols[0].find("past") != std::string::npos);
}

void ReplaceNode(ir::Graph& graph, ir::Node* node, ir::Value* to) {
  ir::Value* from = node->output();
  if (to->type.dtype == DType::kInvalid) to->type = from->type;
  graph.ReplaceAllUses(from, to);
  graph.EraseNode(node);
}

}  // namespace hasten::passes
