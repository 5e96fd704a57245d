// Constant folding through the interpreter: a node whose operands are all
// constants becomes its result. Never a result above the cap: what is large is a
// weight of the model, which stays mapped from its file (a transposed or cast
// copy of every weight would be the whole model in memory); its consumers read
// it through the node instead.
#include <algorithm>
#include <optional>

#include "compiler/interp/interp.h"
#include "passes/graph/match.h"
#include "passes/pass.h"
#include "runtime/base/checked.h"

namespace hasten::passes {
namespace {

// Work of all folds of a pass: a few seconds at most. Masks, positions and tables
// of rotary embeddings take a hundredth of it.
constexpr uint64_t kFoldSteps = uint64_t{1} << 36;

bool IsFoldable(const ir::Node& n) {
  if (IsRandom(n) || HasNestedGraph(n) || !interp::CanEvaluate(n.op)) return false;
  return std::all_of(n.inputs().begin(), n.inputs().end(), [](const ir::Value* v) { return !v || v->is_weight(); });
}

// False when the types already say that a result is above the cap.
bool MayFit(const ir::Node& n, uint64_t cap) {
  for (const ir::Value* v : n.outputs()) {
    if (!v->type.ranked) continue;
    double bytes = static_cast<double>(std::max<size_t>(DTypeSize(v->type.dtype), 1));
    for (const ir::Dim& d : v->type.shape)
      if (const auto c = d ? d->AsConst() : std::nullopt) bytes *= static_cast<double>(*c);
    if (bytes > static_cast<double>(cap)) return false;
  }
  return true;
}

// A reshaped weight is the same bytes: no copy, whatever its size.
std::optional<ir::Tensor> AsView(const ir::Node& n) {
  const bool view = n.op == "identity" || n.op == "reshape" || n.op == "squeeze" || n.op == "unsqueeze" || n.op == "flatten";
  const ir::Type& type = n.output()->type;
  if (!view || !type.ranked) return std::nullopt;
  const ir::Tensor& from = n.input(0)->weight();
  std::vector<int64_t> dims;
  Checked elements = 1;
  for (const ir::Dim& d : type.shape) {
    const std::optional<int64_t> c = d ? d->AsConst() : std::nullopt;
    if (!c || *c < 0) return std::nullopt;
    dims.push_back(*c);
    elements = elements * Checked::FromSigned(*c);
  }
  if (!elements.ok() || elements.value() != static_cast<uint64_t>(from.elements())) return std::nullopt;
  return from.Reshaped(std::move(dims));
}

void Replace(ir::Graph& graph, ir::Node* n, std::vector<ir::Tensor> results) {
  std::vector<std::pair<ir::Value*, std::string>> names;
  for (size_t i = 0; i < results.size(); ++i) {
    ir::Value* old = n->output(i);
    if (old->users().empty() && !graph.IsOutput(old)) continue;
    ir::Value* w = graph.AddWeight(old->name, std::move(results[i]));
    w->loc = old->loc;
    names.emplace_back(w, old->name);
    graph.ReplaceAllUses(old, w);
  }
  graph.EraseNode(n);
  for (auto& [w, name] : names) graph.Rename(w, name);   // free now
}

}  // namespace

Status ConstantFold(ir::Graph& graph, PassContext& context) {
  interp::RunOptions options;
  options.max_bytes = context.options.fold_max_bytes;
  options.max_steps = kFoldSteps;
  HST_ASSIGN_OR_RETURN(const std::unique_ptr<interp::Interpreter> interpreter, interp::Interpreter::Create(options));
  std::vector<ir::Node*> order;
  for (const auto& n : graph.nodes()) order.push_back(n.get());
  for (ir::Node* n : order) {
    if (!IsFoldable(*n)) continue;
    context.At(n);
    if (std::optional<ir::Tensor> view = AsView(*n)) {
      Replace(graph, n, {*std::move(view)});
      context.Count("folded");
      continue;
    }
    if (!MayFit(*n, options.max_bytes)) {
      context.Count("too large");
      continue;
    }
    std::vector<ir::Tensor> inputs;
    for (const ir::Value* v : n->inputs()) inputs.push_back(v ? v->weight() : ir::Tensor());
    Result<std::vector<ir::Tensor>> results = interpreter->EvalNode(*n, inputs);
    // What fails here fails where the graph runs, with its message, if it is ever reached.
    if (!results.ok() || results->size() < n->outputs().size()) {
      context.Count(!results.ok() && results.status().code() == Code::kResource ? "too large" : "failed");
      continue;
    }
    const bool fits = std::all_of(results->begin(), results->end(), [&](const ir::Tensor& t) {
      return t.valid() && t.bytes() <= options.max_bytes;
    });
    if (!fits) {
      context.Count("too large");
      continue;
    }
    results->resize(n->outputs().size());
    Replace(graph, n, *std::move(results));
    context.Count("folded");
  }
  return {};
}

}  // namespace hasten::passes
