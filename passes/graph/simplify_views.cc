// Simplification of ops that move or reinterpret elements.
#include <algorithm>
#include <numeric>

#include "passes/graph/match.h"
#include "passes/graph/simplify.h"

namespace hasten::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::Value;

// Same elements in the same order under other dims.
bool IsReshaping(const Node& n) { return n.op == "reshape" || n.op == "squeeze" || n.op == "unsqueeze" || n.op == "flatten"; }

std::optional<int64_t> ConstDim(const ir::Type& t, int64_t axis) {
  if (!t.ranked) return std::nullopt;
  if (axis < 0) axis += t.rank();
  if (axis < 0 || axis >= t.rank()) return std::nullopt;
  const ir::Dim& d = t.shape[static_cast<size_t>(axis)];
  return d ? d->AsConst() : std::nullopt;
}

Simplified RemoveIdentity(Graph&, Node& n) {
  if (n.op == "identity") return {n.input(0)};
  // Dropout infers as the identity unless its third operand says that it trains.
  if (n.op != "dropout") return {};
  const std::optional<double> training = UniformValue(n.input(2));
  return !n.input(2) || training == 0 ? Simplified{n.input(0)} : Simplified{};
}

// A chain of reshapings that comes back to the shape of one of its sources.
Simplified ReshapeBack(Graph&, Node& n) {
  if (!IsReshaping(n)) return {};
  for (Value* source = n.input(0); source; source = source->def() && IsReshaping(*source->def()) ? source->def()->input(0) : nullptr)
    if (SameShape(source->type, n.output()->type)) return {source};
  return {};
}

// reshape(reshaping(x)) reads x: the target alone says the shape, unless it
// copies dims of its operand (0).
Simplified ReshapeOfReshape(Graph&, Node& n) {
  if (n.op != "reshape" || !n.input(0)->def() || !IsReshaping(*n.input(0)->def())) return {};
  const auto target = ConstInts(n.input(1));
  if (!target || (n.Int("allowzero", 0) == 0 && std::count(target->begin(), target->end(), 0))) return {};
  n.SetInput(0, n.input(0)->def()->input(0));
  return {nullptr, true};
}

// The permutation of a transpose; nullopt when its length is not known, or it is none.
std::optional<std::vector<int64_t>> Perm(const Node& n) {
  const ir::Type& t = n.input(0)->type;
  std::vector<int64_t> perm = n.Ints("perm");
  if (!n.HasAttr("perm")) {
    if (!t.ranked) return std::nullopt;
    perm.resize(static_cast<size_t>(t.rank()));
    std::iota(perm.rbegin(), perm.rend(), 0);
    return perm;
  }
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i)
    if (sorted[i] != static_cast<int64_t>(i)) return std::nullopt;
  return perm;
}

Simplified Transposes(Graph&, Node& n) {
  if (n.op != "transpose") return {};
  std::optional<std::vector<int64_t>> perm = Perm(n);
  if (!perm) return {};
  if (std::is_sorted(perm->begin(), perm->end())) return {n.input(0)};
  const Node* inner = DefinedBy(n.input(0), "transpose");
  if (!inner) return {};
  const auto first = Perm(*inner);
  if (!first || first->size() != perm->size()) return {};
  for (int64_t& p : *perm) p = (*first)[static_cast<size_t>(p)];
  n.attrs["perm"] = *perm;
  n.SetInput(0, inner->input(0));
  return {nullptr, true};
}

Simplified ExpandToSame(Graph&, Node& n) {
  if (n.op == "expand") return SameShape(n.input(0)->type, n.output()->type) ? Simplified{n.input(0)} : Simplified{};
  if (n.op != "tile") return {};
  const auto repeats = ConstInts(n.input(1));
  const bool once = repeats && std::all_of(repeats->begin(), repeats->end(), [](int64_t r) { return r == 1; });
  return once ? Simplified{n.input(0)} : Simplified{};
}

// Concat of one, and operands that are empty along the axis.
Simplified Concats(Graph&, Node& n) {
  if (n.op != "concat") return {};
  if (n.inputs().size() == 1) return {n.input(0)};
  const int64_t axis = n.Int("axis", 0);
  std::vector<Value*> kept;
  for (Value* v : n.inputs())
    if (ConstDim(v->type, axis) != 0) kept.push_back(v);
  if (kept.empty() || kept.size() == n.inputs().size()) return {};
  n.SetInputs(std::move(kept));
  return {nullptr, true};
}

// A slice that keeps every element in order.
Simplified SliceOfAll(Graph&, Node& n) {
  if (n.op != "slice") return {};
  if (n.input(4)) {
    const auto steps = ConstInts(n.input(4));
    if (!steps || std::any_of(steps->begin(), steps->end(), [](int64_t s) { return s != 1; })) return {};
  }
  if (SameShape(n.input(0)->type, n.output()->type)) return {n.input(0)};
  // No axis of a model reaches 2^31 - 1, which exporters write for "to the end".
  constexpr int64_t kToTheEnd = (int64_t{1} << 31) - 1;
  const auto starts = ConstInts(n.input(1)), ends = ConstInts(n.input(2));
  if (!starts || !ends) return {};
  const bool all = std::all_of(starts->begin(), starts->end(), [](int64_t s) { return s == 0; }) &&
                   std::all_of(ends->begin(), ends->end(), [](int64_t e) { return e >= kToTheEnd; });
  return all ? Simplified{n.input(0)} : Simplified{};
}

// split into one part, and min, max, sum, mean of one operand.
Simplified OfOne(Graph&, Node& n) {
  const bool one_part = n.op == "split" && n.outputs().size() == 1;
  const bool one_operand = n.inputs().size() == 1 && (n.op == "min" || n.op == "max" || n.op == "sum" || n.op == "mean");
  return one_part || one_operand ? Simplified{n.input(0)} : Simplified{};
}

constexpr SimplifyRule kRules[] = {
    {"identity", RemoveIdentity},      {"reshape", ReshapeBack}, {"reshape of reshape", ReshapeOfReshape},
    {"transpose", Transposes},         {"expand", ExpandToSame}, {"concat", Concats},
    {"slice of everything", SliceOfAll}, {"of one", OfOne},
};

}  // namespace

std::span<const SimplifyRule> ViewRules() { return kRules; }

}  // namespace hasten::passes
