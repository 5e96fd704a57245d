// The converters that onnx_ops.def names, by file. Each turns one ONNX node of
// any opset its row admits into IR ops with the meaning of the newest opset.
#pragma once

#include "compiler/onnx/node_import.h"

namespace hasten::onnx_import {

// Constant.cc: Constant, Identity, Dropout
Status ImportConstant(NodeImport& node);
Status ImportIdentity(NodeImport& node);
Status ImportDropout(NodeImport& node);

// ControlFlow.cc: If, Loop
Status ImportIf(NodeImport& node);
Status ImportLoop(NodeImport& node);

// Versions.cc: operators whose older opsets spell things differently
Status ImportReduce(NodeImport& node);
Status ImportAxes(NodeImport& node);
Status ImportScatter(NodeImport& node);
Status ImportUpsample(NodeImport& node);
Status ImportSplit(NodeImport& node);
Status ImportGroupNormalization(NodeImport& node);
Status ImportBatchNormalization(NodeImport& node);
Status ImportDft(NodeImport& node);
Status ImportGridSample(NodeImport& node);
Status ImportRoiAlign(NodeImport& node);

// Quantized.cc: refused where they hold quantized weights
Status ImportQuantized(NodeImport& node);
Status RefuseQuantized(NodeImport& node);

// Attention.cc, RotaryEmbedding.cc (ai.onnx 23 and 24)
Status ImportAttention(NodeImport& node);
Status ImportRotaryEmbedding(NodeImport& node);

// MsNorm.cc, MsGelu.cc, MsAttention.cc, GroupQueryAttention.cc (com.microsoft)
Status ImportSimplifiedLayerNorm(NodeImport& node);
Status ImportMsLayerNorm(NodeImport& node);
Status ImportSkipSimplifiedLayerNorm(NodeImport& node);
Status ImportSkipLayerNorm(NodeImport& node);
Status ImportEmbedLayerNorm(NodeImport& node);
Status ImportMsGelu(NodeImport& node);
Status ImportMsBiasGelu(NodeImport& node);
Status ImportFastGelu(NodeImport& node);
Status ImportQuickGelu(NodeImport& node);
Status ImportFusedMatMul(NodeImport& node);
Status ImportMsAttention(NodeImport& node);
Status ImportMultiHeadAttention(NodeImport& node);
Status ImportMsRotaryEmbedding(NodeImport& node);
Status ImportGroupQueryAttention(NodeImport& node);

}  // namespace hasten::onnx_import
