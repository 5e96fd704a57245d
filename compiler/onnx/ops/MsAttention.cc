// com.microsoft.Attention and MultiHeadAttention (encoders and GPT-2 as ONNX
// Runtime's optimizer writes them), in general ops.
#include "compiler/onnx/ops/attention_parts.h"
#include "compiler/onnx/ops/converters.h"

namespace hasten::onnx_import {
namespace {

// Masks of both operators: [B] counts of keys from the left, [B,T] or [B,S,T]
// with 1 for what is visible. A finite filter value, as ONNX Runtime adds it.
Status AddMask(NodeImport& node, ir::Value* mask, ir::Value* k, Scores& scores) {
  if (!mask) return {};
  if (!mask->type.ranked || mask->type.rank() < 1 || mask->type.rank() > 3) return node.Refuse("the mask needs rank 1, 2 or 3");
  ir::Value* visible;
  if (mask->type.rank() == 1) {
    const ir::Dim &count = mask->type.shape[0], &batch = k->type.shape[0];
    if (count && batch && *count != *batch) return node.Refuse("a mask of starts and ends is not supported; give [batch] or [batch, keys]");
    ir::Value* keys = node.Emit("range", {node.Scalar(int64_t{0}), node.DimOf(k, 2), node.Scalar(int64_t{1})});
    visible = node.Emit("less", {keys, node.Unsqueeze(node.Cast(mask, DType::kI64), {1, 2, 3})});
  } else {
    visible = node.Unsqueeze(node.Cast(mask, DType::kBool), mask->type.rank() == 2 ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{1});
  }
  scores.biases.push_back(BiasOf(node, visible, k->type.dtype, node.Float("mask_filter_value", -10000)));
  return {};
}

struct Sequence {
  ir::Value *q, *k, *v;         // [B,H,S,D]
  ir::Value* past = nullptr;    // int64 []: keys before the first query
};

Result<ir::Value*> Finish(NodeImport& node, const Sequence& s, ir::Value* mask, ir::Value* bias) {
  Scores scores;
  scores.scale = node.Float("scale", 0);
  if (node.Int("unidirectional", 0)) scores.visible = CausalMask(node, node.DimOf(s.q, 2), node.DimOf(s.k, 2), s.past, -1);
  HST_RETURN_IF_ERROR(AddMask(node, mask, s.k, scores));
  if (bias) scores.biases.push_back(bias);
  HST_ASSIGN_OR_RETURN(const ScoreStages stages, Attend(node, s.q, s.k, s.v, scores));
  return MergeHeads(node, stages.output);
}

// Q, K and V of MultiHeadAttention as [B,S,H*D], biases added; keys and values
// may come as [B,H,T,D] already (cross attention), and all three in one tensor.
struct Projections {
  ir::Value *q, *k, *v;
};

Result<Projections> Unpack(NodeImport& node) {
  Projections p{node.In(0), node.In(1), node.In(2)};
  if (!p.q->type.ranked) return node.Refuse("the rank of the query is unknown");
  if (p.q->type.rank() == 5) {  // [B,S,H,3,D]
    const auto part = [&](int64_t i) {
      ir::Value* one = node.Emit("gather", {node.In(0), node.Scalar(i)}, {{"axis", int64_t{3}}});
      const std::optional<int64_t> heads = ConstDim(one, 2), size = ConstDim(one, 3);
      return node.Reshape(one, {0, 0, heads && size ? *heads * *size : -1});
    };
    return Projections{part(0), part(1), part(2)};
  }
  if (p.q->type.rank() != 3 || !p.k || !p.v) return node.Refuse("needs query, key and value of rank 3, or all packed in one of rank 5");
  return p;
}

Result<Projections> AddBias(NodeImport& node, Projections p, ir::Value* bias) {
  if (!bias) return p;
  const std::optional<int64_t> hidden = ConstDim(p.q, 2), all = ConstDim(bias, 0);
  if (!hidden || !all) return node.Refuse("the hidden size is not constant");
  p.q = node.Add(p.q, node.Slice(bias, 0, 0, *hidden));
  if (p.k->type.rank() == 3) p.k = node.Add(p.k, node.Slice(bias, 0, *hidden, 2 * *hidden));
  if (p.v->type.rank() == 3) p.v = node.Add(p.v, node.Slice(bias, 0, 2 * *hidden, *all));
  return p;
}

}  // namespace

// Inputs: query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value.
Status ImportMultiHeadAttention(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(1));
  const int64_t heads = node.Int("num_heads", 0);
  if (heads < 1) return node.Bad("num_heads is ", heads);
  if (node.In(8) || node.In(9) || node.Wants(3)) return node.Refuse("past_sequence_length, cache_indirection and qk are not supported");
  if (!node.In(6) != !node.In(7)) return node.Bad("needs past_key and past_value together");
  HST_ASSIGN_OR_RETURN(Projections p, Unpack(node));
  if (!p.k->type.ranked || !p.v->type.ranked) return node.Refuse("the ranks of key and value are unknown");
  HST_ASSIGN_OR_RETURN(p, AddBias(node, p, node.In(3)));
  for (const ir::Value* x : {p.q, p.k, p.v})
    if (x->type.rank() == 3) HST_RETURN_IF_ERROR(CheckHeads(node, x, heads));
  Sequence s{SplitHeads(node, p.q, heads), p.k, p.v};
  if (p.k->type.rank() == 3) s.k = SplitHeads(node, p.k, heads);
  if (p.v->type.rank() == 3) s.v = SplitHeads(node, p.v, heads);
  if (node.In(6)) {
    s.k = node.Concat({node.In(6), s.k}, 2);
    s.v = node.Concat({node.In(7), s.v}, 2);
    s.past = node.DimOf(node.In(6), 2);
  }
  HST_ASSIGN_OR_RETURN(ir::Value * out, Finish(node, s, node.In(4), node.In(5)));
  node.SetOutput(0, out);
  node.SetOutput(1, s.k);
  node.SetOutput(2, s.v);
  return {};
}

// Inputs: input, weights, bias, mask_index, past [2,B,H,P,D], attention_bias.
Status ImportMsAttention(NodeImport& node) {
  HST_RETURN_IF_ERROR(node.Needs(2));
  const int64_t heads = node.Int("num_heads", 0);
  if (heads < 1) return node.Bad("num_heads is ", heads);
  if (node.Int("do_rotary", 0) || node.Int("past_present_share_buffer", 0) || node.In(6))
    return node.Refuse("do_rotary, past_present_share_buffer and past_sequence_length are not supported");
  ir::Value* qkv = node.Emit("mat_mul", {node.In(0), node.In(1)});
  if (node.In(2)) qkv = node.Add(qkv, node.In(2));
  std::vector<int64_t> sizes = node.Ints("qkv_hidden_sizes");
  if (sizes.empty()) {
    const std::optional<int64_t> all = ConstDim(node.In(1), 1);
    if (!all) return node.Refuse("the width of the weights is not constant");
    sizes.assign(3, *all / 3);
  }
  if (sizes.size() != 3) return node.Bad("qkv_hidden_sizes needs 3 sizes, has ", sizes.size());
  const ir::Node* split = node.EmitNode("split", {qkv, node.Ints(sizes)}, 3, {{"axis", int64_t{2}}});
  for (const ir::Value* x : split->outputs()) HST_RETURN_IF_ERROR(CheckHeads(node, x, heads));
  Sequence s{SplitHeads(node, split->output(0), heads), SplitHeads(node, split->output(1), heads), SplitHeads(node, split->output(2), heads)};
  if (ir::Value* past = node.In(4)) {
    const ir::Attrs first = {{"axis", int64_t{0}}};
    s.k = node.Concat({node.Emit("gather", {past, node.Scalar(int64_t{0})}, first), s.k}, 2);
    s.v = node.Concat({node.Emit("gather", {past, node.Scalar(int64_t{1})}, first), s.v}, 2);
    s.past = node.DimOf(past, 3);
  }
  HST_ASSIGN_OR_RETURN(ir::Value * out, Finish(node, s, node.In(3), node.In(5)));
  node.SetOutput(0, out);
  if (node.Wants(1)) node.SetOutput(1, node.Concat({node.Unsqueeze(s.k, {0}), node.Unsqueeze(s.v, {0})}, 0));
  return {};
}

}  // namespace hasten::onnx_import
