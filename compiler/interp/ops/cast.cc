// Casts between element types (ONNX Cast-24, CastLike, BitCast-26).
#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/ir/infer.h"

namespace hasten::interp {
namespace {

Status CastTo(EvalContext& c, DType to) {
  if (to == DType::kInvalid) return Unsupported("[", c.node.op, "] a target type out of scope (node \"", c.node.loc, "\")");
  if (c.options.compute_fp32 && (to == DType::kF16 || to == DType::kBF16)) to = DType::kF32;
  HST_ASSIGN_OR_RETURN(c.out[0], ConvertTensor(c, c.In(0), to));
  return {};
}

}  // namespace

Status EvalCast(EvalContext& c) { return CastTo(c, ir::OnnxDType(c.node.Int("to", 0))); }
Status EvalCastLike(EvalContext& c) { return CastTo(c, c.In(1).dtype()); }

Status EvalBitCast(EvalContext& c) {
  const DType to = ir::OnnxDType(c.node.Int("to", 0));
  const Tensor& x = c.In(0);
  if (to == DType::kInvalid) return Unsupported("[bit_cast] a target type out of scope (node \"", c.node.loc, "\")");
  if (DTypeSize(to) != DTypeSize(x.dtype()))
    return c.Error("from ", DTypeName(x.dtype()), " to ", DTypeName(to), ": the sizes differ");
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(to, x.dims()));
  std::copy_n(x.raw(), x.bytes(), o.mutable_raw());
  c.out[0] = std::move(o);
  return {};
}

}  // namespace hasten::interp
