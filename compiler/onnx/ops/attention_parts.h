// What the attention operators of ai.onnx and com.microsoft have in common,
// spelled in general ops so that index analysis can follow positions and masks:
// heads split by reshape and transpose, masks as comparisons of ranges.
#pragma once

#include <optional>

#include "compiler/onnx/node_import.h"

namespace hasten::onnx_import {

// Dimension `axis` of a value when it is a constant.
std::optional<int64_t> ConstDim(const ir::Value* value, int64_t axis);

// kBadInput when the last axis of x [B,S,hidden] is known to be no multiple of heads.
Status CheckHeads(const NodeImport& node, const ir::Value* x, int64_t heads);

// [B,S,heads*D] -> [B,heads,S,D], and back.
ir::Value* SplitHeads(NodeImport& node, ir::Value* x, int64_t heads);
ir::Value* MergeHeads(NodeImport& node, ir::Value* x);
// [B,kv,T,D] -> [B,heads,T,D]: head h reads KV head h / (heads / kv).
ir::Value* RepeatHeads(NodeImport& node, ir::Value* x, int64_t kv, int64_t heads);

// bool [S,T]: key t is visible to query s, which stands at past + s (past: int64
// [] or null for 0). window >= 0: only keys with past + s - t < window.
ir::Value* CausalMask(NodeImport& node, ir::Value* queries, ir::Value* keys, ir::Value* past, int64_t window);

struct Rotary {
  bool interleaved = false;
  int64_t dim = 0;           // rotated elements of each head; 0: all
  int64_t head_axis = 1;     // where the heads are in x: 1 for [B,H,S,D], 2 for [B,S,H,D]
};
// x rotated by cos and sin [B,S,dim/2] or [1,S,dim/2] (RotaryEmbedding, opset 23).
ir::Value* Rotate(NodeImport& node, ir::Value* x, ir::Value* cos, ir::Value* sin, const Rotary& options);

// Y = softmax(mask(softcap(scale*QK^T))) V over [B,H,S,D] operands.
struct Scores {
  double scale = 0;                 // 0: 1/sqrt(D)
  bool split_scale = false;         // sqrt(scale) on both operands, as ai.onnx defines it
  double softcap = 0;
  ir::Value* visible = nullptr;     // bool, broadcast to [B,H,S,T]; others become -inf
  std::vector<ir::Value*> biases;   // added, broadcast to [B,H,S,T]
  DType softmax_type = DType::kInvalid;
};
struct ScoreStages {
  ir::Value *raw, *capped, *masked, *probabilities, *output;
};
Result<ScoreStages> Attend(NodeImport& node, ir::Value* q, ir::Value* k, ir::Value* v, const Scores& options);

// 0 where `visible`, `hidden` elsewhere, in `dtype`.
ir::Value* BiasOf(NodeImport& node, ir::Value* visible, DType dtype, double hidden);

}  // namespace hasten::onnx_import
