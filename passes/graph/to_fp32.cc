// Turns a graph of f16 or bf16 activations into one of f32: the model's
// mathematics without its rounding, and one dtype for recognition to match.
// Large weights keep their 16 bits and their place in the model file: each gets
// one `cast` to f32, which whoever packs or multiplies the weight reads through.
// Small ones (norm weights, scalars) become f32 at once. Graph inputs and
// outputs become f32 too: caches and logits are the runtime's to store.
// Against the interpreter's compute_fp32 this changes no bit.
#include "compiler/ir/infer.h"
#include "compiler/ir/ops.h"
#include "passes/graph/match.h"
#include "passes/pass.h"

namespace hasten::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::Value;

constexpr int64_t kOnnxFloat = 1;   // TensorProto.DataType FLOAT

bool IsHalf(DType t) { return t == DType::kF16 || t == DType::kBF16; }

ir::Tensor Widened(const ir::Tensor& t) {
  const std::vector<float> values = t.ToFloats();
  return ir::Tensor::From<float>(t.dims(), values);
}

void WidenAttrs(Node& n) {
  // Attributes that name a dtype: cast, eye_like, random ops, quantization.
  for (const char* name : {"to", "dtype", "output_dtype"})
    if (const auto it = n.attrs.find(name); it != n.attrs.end())
      if (auto* number = std::get_if<int64_t>(&it->second); number && IsHalf(ir::OnnxDType(*number))) *number = kOnnxFloat;
  for (auto& [name, attr] : n.attrs)
    if (auto* t = std::get_if<ir::Tensor>(&attr); t && IsHalf(t->dtype())) *t = Widened(*t);
}

void WidenWeights(Graph& graph, PassContext& context) {
  // Casts go to the very front: every reader comes after them.
  Node* const front = graph.nodes().empty() ? nullptr : graph.nodes().front().get();
  for (Value* w : graph.weights()) {
    if (!IsHalf(w->type.dtype)) continue;
    if (w->weight().bytes() <= context.options.small_weight_bytes) {
      Value* wide = graph.AddWeight(w->name, Widened(w->weight()));
      wide->loc = w->loc;
      const std::string name = w->name;
      graph.ReplaceAllUses(w, wide);
      graph.EraseWeight(w);
      graph.Rename(wide, name);
      context.Count("weights");
      continue;
    }
    const std::vector<Node*> users = w->users();
    if (users.empty() && !graph.IsOutput(w)) continue;
    Node* cast = graph.AddNode("cast", {w}, {w->name + "_f32"}, {{"to", kOnnxFloat}}, w->loc, front);
    ir::Type type = w->type;
    type.dtype = DType::kF32;
    cast->output()->type = std::move(type);
    graph.ReplaceAllUses(w, cast->output());
    cast->SetInput(0, w);   // ReplaceAllUses took the cast's own operand along
    context.Count("casts");
  }
}

bool HasHalf(const Graph& graph) {
  for (const auto& v : graph.values())
    if (IsHalf(v->type.dtype)) return true;
  return false;
}

void Widen(Graph& graph, PassContext& context, int depth) {
  constexpr int kMaxDepth = 16;
  for (Value* v : graph.inputs())
    if (IsHalf(v->type.dtype)) v->type.dtype = DType::kF32;
  for (const auto& n : graph.nodes()) {
    WidenAttrs(*n);
    for (Value* v : n->outputs())
      if (IsHalf(v->type.dtype)) {
        v->type.dtype = DType::kF32;
        context.Count("values");
      }
    for (auto& [name, attr] : n->attrs)
      if (auto* nested = std::get_if<std::shared_ptr<Graph>>(&attr); nested && *nested && depth < kMaxDepth)
        Widen(**nested, context, depth + 1);
  }
  WidenWeights(graph, context);
}

}  // namespace

Status ToFp32(Graph& graph, PassContext& context) {
  HST_RETURN_IF_ERROR(ir::InferTypes(graph));   // a value without a type could hide a half
  if (!HasHalf(graph)) return {};
  for (const auto& n : graph.nodes())
    if (n->op == "bit_cast" && (IsHalf(n->input(0)->type.dtype) || IsHalf(n->output()->type.dtype)))
      return Unsupported("[bit_cast] on a 16-bit float, whose bits f32 does not have (node \"", n->loc, "\")");
  Widen(graph, context, 0);
  return ir::InferTypes(graph);
}

}  // namespace hasten::passes
