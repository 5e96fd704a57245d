// The inference rules that ops.def names, by file. Each sets the outputs of one
// family of ops; attribute names and operand order are ONNX's, opset 24.
#pragma once

#include "compiler/ir/infer.h"

namespace hasten::ir {

// elementwise.cc
Status InferSame(InferContext& c);          // output 0 as input 0
Status InferPredicate(InferContext& c);     // bool of input 0's shape
Status InferBroadcast(InferContext& c);     // any number of operands of one type
Status InferCompare(InferContext& c);       // two operands, bool
Status InferPow(InferContext& c);           // base's type, exponent of any
Status InferWhere(InferContext& c);
Status InferCast(InferContext& c);
Status InferCastLike(InferContext& c);
Status InferBitCast(InferContext& c);
Status InferDropout(InferContext& c);
Status InferUnidirectional(InferContext& c);  // prelu, clip: input 0's type and shape

// shape.cc
Status InferShape(InferContext& c);
Status InferSize(InferContext& c);
Status InferReshape(InferContext& c);
Status InferSqueeze(InferContext& c);
Status InferUnsqueeze(InferContext& c);
Status InferFlatten(InferContext& c);
Status InferExpand(InferContext& c);
Status InferTile(InferContext& c);
Status InferConstantOfShape(InferContext& c);
Status InferConstant(InferContext& c);
Status InferRange(InferContext& c);
Status InferEyeLike(InferContext& c);

// move.cc
Status InferTranspose(InferContext& c);
Status InferConcat(InferContext& c);
Status InferSplit(InferContext& c);
Status InferSlice(InferContext& c);
Status InferPad(InferContext& c);
Status InferDepthToSpace(InferContext& c);
Status InferSpaceToDepth(InferContext& c);
Status InferCenterCropPad(InferContext& c);

// gather.cc
Status InferGather(InferContext& c);
Status InferGatherElements(InferContext& c);
Status InferGatherNd(InferContext& c);
Status InferOneHot(InferContext& c);
Status InferTopK(InferContext& c);
Status InferNonZero(InferContext& c);
Status InferCompress(InferContext& c);
Status InferUnique(InferContext& c);

// reduce.cc
Status InferReduce(InferContext& c);
Status InferArg(InferContext& c);
Status InferLayerNorm(InferContext& c);
Status InferBatchNorm(InferContext& c);
Status InferLoss(InferContext& c);
Status InferDet(InferContext& c);
Status InferStft(InferContext& c);

// linear.cc
Status InferMatMul(InferContext& c);
Status InferMatMulInteger(InferContext& c);
Status InferQLinearMatMul(InferContext& c);
Status InferGemm(InferContext& c);
Status InferEinsum(InferContext& c);
Status InferQuantize(InferContext& c);
Status InferDequantize(InferContext& c);
Status InferDynamicQuantize(InferContext& c);

// conv.cc
Status InferConv(InferContext& c);
Status InferConvInteger(InferContext& c);
Status InferQLinearConv(InferContext& c);
Status InferConvTranspose(InferContext& c);
Status InferPool(InferContext& c);
Status InferGlobalPool(InferContext& c);
Status InferResize(InferContext& c);
Status InferRecurrent(InferContext& c);
Status InferWindow(InferContext& c);
Status InferGridSample(InferContext& c);
Status InferAffineGrid(InferContext& c);
Status InferCol2Im(InferContext& c);
Status InferMaxUnpool(InferContext& c);
Status InferNms(InferContext& c);
Status InferMelWeightMatrix(InferContext& c);

// semantic.cc
Status InferPositions(InferContext& c);
Status InferEmbed(InferContext& c);
Status InferNorm(InferContext& c);
Status InferLinear(InferContext& c);
Status InferRope(InferContext& c);
Status InferAttention(InferContext& c);
Status InferGatedAct(InferContext& c);
Status InferSliceCols(InferContext& c);
Status InferConcatCols(InferContext& c);
Status InferTakeRow(InferContext& c);
Status VerifyLinear(const Node& node);
Status VerifyNorm(const Node& node);
Status VerifyRope(const Node& node);
Status VerifyAttention(const Node& node);
Status VerifyAct(const Node& node);
Status VerifySliceCols(const Node& node);

}  // namespace hasten::ir
