// com.microsoft.GroupQueryAttention as ONNX Runtime GenAI's builder writes it,
// in general ops: causal, packed or separate Q, K and V, rotary embedding inside,
// past and present [B,kv,P,D] and [B,kv,P+S,D].
//
// Positions are taken from shapes: query s stands at P + s. seqlens_k says the
// same for sequences without padding, and for prompts padded at the end, whose
// padding rows mean nothing; a batch that decodes with padding is none of these
// (and none of the runtime's: its sequences are ragged).
#include "compiler/onnx/ops/attention_parts.h"
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {
namespace {

Status RefuseVariants(const NodeImport& node) {
  if (node.Int("smooth_softmax", 0) > 0 || node.In(11)) return node.Refuse("smooth softmax and attention sinks are not supported");
  if (node.In(12) || node.In(13) || node.Str("k_quant_type", "NONE") != "NONE" || node.Str("v_quant_type", "NONE") != "NONE")
    return node.Refuse("a quantized KV cache is not supported: hasten quantizes it itself (--kv int8)");
  if (node.Int("qk_output", 0) != 0 || node.Wants(3)) return node.Refuse("the output of scores is not supported");
  return {};
}

struct Heads {
  int64_t q = 0, kv = 0, size = 0;
};

Result<Heads> ReadHeads(const NodeImport& node, bool packed) {
  Heads h{node.Int("num_heads", 0), node.Int("kv_num_heads", 0), 0};
  if (h.q < 1 || h.kv < 1 || h.q > 65536 || h.q % h.kv != 0)
    return node.Bad("needs num_heads a multiple of kv_num_heads; came ", h.q, " and ", h.kv);
  if (!node.In(0)->type.ranked || node.In(0)->type.rank() != 3) return node.Bad("the query needs rank 3");
  const std::optional<int64_t> hidden = ConstDim(node.In(0), 2);
  const int64_t heads = packed ? h.q + 2 * h.kv : h.q;
  if (!hidden) return node.Refuse("the hidden size of the query is not constant");
  if (*hidden < heads || *hidden % heads != 0) return node.Bad("a hidden size of ", *hidden, " is no multiple of ", heads, " heads");
  h.size = *hidden / heads;
  return h;
}

}  // namespace

Status ImportGroupQueryAttention(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(1));
  HST_RETURN_IF_ERROR(RefuseVariants(node));
  const bool packed = !node.In(1);
  if (packed != !node.In(2)) return node.Bad("needs key and value together");
  if (!node.In(3) != !node.In(4)) return node.Bad("needs past_key and past_value together");
  HST_ASSIGN_OR_RETURN(const Heads h, ReadHeads(node, packed));
  ir::Value *q = node.In(0), *k = node.In(1), *v = node.In(2);
  if (packed) {
    const ir::Node* split = node.EmitNode("split", {q, node.Ints({h.q * h.size, h.kv * h.size, h.kv * h.size})}, 3, {{"axis", int64_t{2}}});
    q = split->output(0), k = split->output(1), v = split->output(2);
  }
  HST_RETURN_IF_ERROR(CheckHeads(node, k, h.kv));
  HST_RETURN_IF_ERROR(CheckHeads(node, v, h.kv));
  q = SplitHeads(node, q, h.q), k = SplitHeads(node, k, h.kv), v = SplitHeads(node, v, h.kv);
  ir::Value* length = node.DimOf(q, 2);
  ir::Value* past = node.In(3) ? node.DimOf(node.In(3), 2) : nullptr;
  if (node.Int("do_rotary", 0)) {
    if (!node.In(7) || !node.In(8)) return node.Bad("do_rotary needs cos_cache and sin_cache");
    ir::Value* positions = node.In(9);
    if (!positions) {
      positions = node.Emit("range", {node.Scalar(int64_t{0}), length, node.Scalar(int64_t{1})});
      if (past) positions = node.Add(positions, past);
      positions = node.Unsqueeze(positions, {0});
    }
    ir::Value* cos = node.Emit("gather", {node.In(7), positions}, {{"axis", int64_t{0}}});
    ir::Value* sin = node.Emit("gather", {node.In(8), positions}, {{"axis", int64_t{0}}});
    Rotary options;
    options.interleaved = node.Int("rotary_interleaved", 0) != 0;
    const std::optional<int64_t> half = ConstDim(node.In(7), 1);
    if (!half) return node.Refuse("the width of cos_cache is not constant");
    if (2 * *half != h.size) options.dim = 2 * *half;
    q = Rotate(node, q, cos, sin, options);
    k = Rotate(node, k, cos, sin, options);
  }
  if (node.In(3)) {
    k = node.Concat({node.In(3), k}, 2);
    v = node.Concat({node.In(4), v}, 2);
  }
  Scores scores;
  scores.scale = node.Float("scale", 0);
  scores.softcap = node.Float("softcap", 0);
  const int64_t window = node.Int("local_window_size", -1);
  scores.visible = CausalMask(node, length, node.DimOf(k, 2), past, window);
  if (node.In(10)) scores.biases.push_back(node.In(10));
  HST_ASSIGN_OR_RETURN(const ScoreStages s,
                       Attend(node, q, RepeatHeads(node, k, h.kv, h.q), RepeatHeads(node, v, h.kv, h.q), scores));
  node.SetOutput(0, MergeHeads(node, s.output));
  node.SetOutput(1, k);
  node.SetOutput(2, v);
  return {};
}

}  // namespace hasten::onnx_import
