// Attention of ai.onnx (opsets 23 and 24) in general ops: 3-D and 4-D operands,
// grouped heads, masks, past and present, soft cap, and the scores as an output.
// The order is that of the operator's function: scale, soft cap, mask, softmax.
#include <cmath>

#include "compiler/onnx/ops/attention_parts.h"
#include "compiler/onnx/ops/converters.h"
#include "compiler/onnx/tensor_proto.h"

namespace hasten::onnx_import {
namespace {

struct Operands {
  ir::Value *q, *k, *v;               // [B,H,S,D]
  int64_t q_heads = 0, kv_heads = 0;
  bool flat = false;                  // the node's operands are [B,S,H*D]
};

Result<Operands> ReadOperands(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(3));
  Operands o{node.In(0), node.In(1), node.In(2)};
  for (size_t i = 0; i < 3; ++i)
    if (!node.In(i)->type.ranked) return node.Refuse("the rank of input ", i, " is unknown");
  const int64_t rank = o.q->type.rank();
  if ((rank != 3 && rank != 4) || o.k->type.rank() != rank || o.v->type.rank() != rank)
    return node.Bad("Q, K and V need one rank, 3 or 4; came ", rank, ", ", o.k->type.rank(), ", ", o.v->type.rank());
  o.flat = rank == 3;
  o.q_heads = node.Int("q_num_heads", o.flat ? 0 : ConstDim(o.q, 1).value_or(0));
  o.kv_heads = node.Int("kv_num_heads", o.flat ? 0 : ConstDim(o.k, 1).value_or(0));
  if (o.q_heads < 1 || o.kv_heads < 1 || o.q_heads % o.kv_heads != 0)
    return node.Bad("needs q_num_heads a multiple of kv_num_heads; came ", o.q_heads, " and ", o.kv_heads);
  if (o.flat) {
    HST_RETURN_IF_ERROR(CheckHeads(node, o.q, o.q_heads));
    HST_RETURN_IF_ERROR(CheckHeads(node, o.k, o.kv_heads));
    HST_RETURN_IF_ERROR(CheckHeads(node, o.v, o.kv_heads));
    o.q = SplitHeads(node, o.q, o.q_heads);
    o.k = SplitHeads(node, o.k, o.kv_heads);
    o.v = SplitHeads(node, o.v, o.kv_heads);
  }
  return o;
}

// A mask may be shorter than the keys: what it does not cover is hidden.
ir::Value* Widen(NodeImport& node, ir::Value* mask, ir::Value* k) {
  const ir::Type &m = mask->type, &keys = k->type;
  const ir::Dim& have = m.shape.back();
  if (have && keys.ranked && keys.shape[2] && *have == *keys.shape[2]) return mask;
  const auto rank = m.rank();
  ir::Value* missing = node.Unsqueeze(node.Sub(node.DimOf(k, 2), node.DimOf(mask, rank - 1)), {0});
  ir::Value* pads = node.Concat({node.Ints(std::vector<int64_t>(static_cast<size_t>(2 * rank - 1), 0)), missing}, 0);
  ir::Value* fill = m.dtype == DType::kBool ? node.Scalar(DType::kBool, 0) : node.Scalar(m.dtype, -INFINITY);
  return node.Emit("pad", {mask, pads, fill}, {{"mode", std::string("constant")}});
}

Status ReadMasks(NodeImport& node, const Operands& o, ir::Value* k, Scores& scores) {
  const auto also = [&](ir::Value* mask) { scores.visible = scores.visible ? node.Emit("and", {scores.visible, mask}) : mask; };
  if (node.Int("is_causal", 0)) {
    ir::Value* past = node.In(4) ? node.DimOf(node.In(4), 2) : nullptr;
    also(CausalMask(node, node.DimOf(o.q, 2), node.DimOf(k, 2), past, -1));
  }
  if (ir::Value* mask = node.In(3)) {
    if (!mask->type.ranked || mask->type.rank() < 1) return node.Refuse("the rank of the mask is unknown");
    mask = Widen(node, mask, k);
    if (mask->type.dtype == DType::kBool) also(mask);
    else scores.biases.push_back(mask);
  }
  if (ir::Value* lengths = node.In(6)) {
    ir::Value* keys = node.Emit("range", {node.Scalar(int64_t{0}), node.DimOf(k, 2), node.Scalar(int64_t{1})});
    also(node.Emit("less", {keys, node.Unsqueeze(lengths, {1, 2, 3})}));  // [B,1,1,T]
  }
  return {};
}

}  // namespace

Status ImportAttention(NodeImport& node) {
  HST_ASSIGN_OR_RETURN(const Operands o, ReadOperands(node));
  if (!node.In(4) != !node.In(5)) return node.Bad("needs past_key and past_value together");
  ir::Value* k = node.In(4) ? node.Concat({node.In(4), o.k}, 2) : o.k;
  ir::Value* v = node.In(5) ? node.Concat({node.In(5), o.v}, 2) : o.v;
  Scores scores;
  scores.scale = node.Float("scale", 0);
  scores.split_scale = true;
  scores.softcap = node.Float("softcap", 0);
  if (const int64_t precision = node.Int("softmax_precision", 0)) {
    Result<DType> type = ToDType(static_cast<int>(precision));
    if (!type.ok()) return node.Refuse("softmax_precision: ", type.status().message());
    scores.softmax_type = *type;
  }
  HST_RETURN_IF_ERROR(ReadMasks(node, o, k, scores));
  HST_ASSIGN_OR_RETURN(const ScoreStages s, Attend(node, o.q, RepeatHeads(node, k, o.kv_heads, o.q_heads),
                                                   RepeatHeads(node, v, o.kv_heads, o.q_heads), scores));
  node.SetOutput(0, o.flat ? MergeHeads(node, s.output) : s.output);
  node.SetOutput(1, k);
  node.SetOutput(2, v);
  if (node.Wants(3)) {
    ir::Value* const stages[] = {s.raw, s.capped, s.masked, s.probabilities};
    const int64_t mode = node.Int("qk_matmul_output_mode", 0);
    if (mode < 0 || mode > 3) return node.Bad("qk_matmul_output_mode is ", mode, ", needs 0 to 3");
    node.SetOutput(3, stages[mode]);
  }
  return {};
}

}  // namespace hasten::onnx_import
