// RotaryEmbedding of ai.onnx (opset 23) and of com.microsoft, in general ops.
#include "compiler/onnx/ops/attention_parts.h"
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {
namespace {

struct Caches {
  ir::Value *x, *cos, *sin;   // cos, sin: [B,S,dim/2] or [1,S,dim/2]
};

// x [B,H,S,D], or [B,S,H*D] with the number of heads given.
Result<ir::Value*> Apply(NodeImport& node, const Caches& c, Rotary options, int64_t heads) {
  if (!c.x->type.ranked || (c.x->type.rank() != 3 && c.x->type.rank() != 4)) return node.Refuse("the input needs rank 3 or 4");
  const bool flat = c.x->type.rank() == 3;
  ir::Value* x = c.x;
  if (flat) {
    HST_RETURN_IF_ERROR(CheckHeads(node, x, heads));
    const std::optional<int64_t> hidden = ConstDim(x, 2);
    x = node.Reshape(x, {0, 0, heads, hidden ? *hidden / heads : -1});
    options.head_axis = 2;
  }
  if (!ConstDim(x, 3) && options.dim == 0 && !options.interleaved) return node.Refuse("the head size must be constant");
  if (!flat) return Rotate(node, x, c.cos, c.sin, options);
  ir::Value* out = Rotate(node, x, c.cos, c.sin, options);
  return node.Emit("reshape", {out, node.Emit("shape", {c.x})});
}

ir::Value* Lookup(NodeImport& node, ir::Value* table, ir::Value* positions) {
  return node.Emit("gather", {table, positions}, {{"axis", int64_t{0}}});
}

}  // namespace

Status ImportRotaryEmbedding(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(3));
  Caches c{node.In(0), node.In(1), node.In(2)};
  if (ir::Value* positions = node.In(3)) {
    c.cos = Lookup(node, c.cos, positions);
    c.sin = Lookup(node, c.sin, positions);
  }
  Rotary options;
  options.interleaved = node.Int("interleaved", 0) != 0;
  options.dim = node.Int("rotary_embedding_dim", 0);
  HST_ASSIGN_OR_RETURN(ir::Value * out, Apply(node, c, options, node.Int("num_heads", 0)));
  node.SetOutput(0, out);
  return {};
}

// com.microsoft: positions are [B,S], or [1]: the offset of the first.
Status ImportMsRotaryEmbedding(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(4));
  if (node.Int("is_packed_batching", 0)) return node.Refuse("is_packed_batching is not supported");
  if (node.Float("scale", 1) != 1) return node.Refuse("scale other than 1 is not supported");
  ir::Value *x = node.In(0), *positions = node.In(1);
  if (!x->type.ranked || !positions->type.ranked) return node.Refuse("the ranks of input and position_ids must be known");
  if (positions->type.rank() == 1) {
    ir::Value* length = node.DimOf(x, x->type.rank() == 4 ? 2 : 1);
    ir::Value* steps = node.Emit("range", {node.Scalar(int64_t{0}), length, node.Scalar(int64_t{1})});
    positions = node.Unsqueeze(node.Add(steps, positions), {0});
  }
  Rotary options;
  options.interleaved = node.Int("interleaved", 0) != 0;
  options.dim = node.Int("rotary_embedding_dim", 0);
  int64_t heads = node.Int("num_heads", 0);
  const std::optional<int64_t> half = ConstDim(node.In(2), 1), hidden = ConstDim(x, 2);
  if (heads == 0 && options.dim == 0 && half && hidden && *half > 0) heads = *hidden / (2 * *half);
  HST_ASSIGN_OR_RETURN(ir::Value * out,
                       Apply(node, {x, Lookup(node, node.In(2), positions), Lookup(node, node.In(3), positions)}, options, heads));
  node.SetOutput(0, out);
  return {};
}

}  // namespace hasten::onnx_import
