// Inference of elementwise ops: one dtype in, broadcast shapes out.
#include "compiler/ir/ops/rules.h"

namespace hasten::ir {

Status InferSame(InferContext& c) {
  c.Set(0, c.In(0));
  PropagateValues(c);
  return {};
}

Status InferUnidirectional(InferContext& c) {
  c.Set(0, c.In(0));
  return {};
}

Status InferPredicate(InferContext& c) {
  Type t = c.In(0);
  t.dtype = DType::kBool;
  c.Set(0, std::move(t));
  return {};
}

namespace {

// The broadcast shape of all operands, as a type of `dtype`.
Result<Type> BroadcastAll(InferContext& c, DType dtype) {
  std::vector<Dim> shape;
  for (size_t i = 0; i < c.node.inputs().size(); ++i) {
    if (!c.Has(i)) return c.Error("input ", i, " is missing");
    if (!c.Ranked(i)) return Type::Unranked(dtype);
    if (i == 0) {
      shape = c.Shape(0);
    } else {
      HST_ASSIGN_OR_RETURN(shape, BroadcastDims(c, shape, c.Shape(i)));
    }
  }
  return Type::Of(dtype, std::move(shape));
}

// The dtype of the first operand whose dtype is known.
DType FirstType(const InferContext& c, size_t from = 0) {
  for (size_t i = from; i < c.node.inputs().size(); ++i)
    if (c.InType(i) != DType::kInvalid) return c.InType(i);
  return DType::kInvalid;
}

}  // namespace

Status InferBroadcast(InferContext& c) {
  for (size_t i = 1; i < c.node.inputs().size(); ++i) HST_RETURN_IF_ERROR(c.NeedSameType(0, i));
  HST_ASSIGN_OR_RETURN(Type t, BroadcastAll(c, FirstType(c)));
  c.Set(0, std::move(t));
  PropagateValues(c);
  return {};
}

Status InferCompare(InferContext& c) {
  HST_RETURN_IF_ERROR(c.NeedSameType(0, 1));
  HST_ASSIGN_OR_RETURN(Type t, BroadcastAll(c, DType::kBool));
  c.Set(0, std::move(t));
  PropagateValues(c);
  return {};
}

Status InferPow(InferContext& c) {
  HST_ASSIGN_OR_RETURN(Type t, BroadcastAll(c, c.InType(0)));
  c.Set(0, std::move(t));
  return {};
}

Status InferWhere(InferContext& c) {
  HST_RETURN_IF_ERROR(c.NeedSameType(1, 2));
  if (c.InType(0) != DType::kInvalid && c.InType(0) != DType::kBool)
    return c.Error("the condition needs bool, came ", DTypeName(c.InType(0)));
  HST_ASSIGN_OR_RETURN(Type t, BroadcastAll(c, FirstType(c, 1)));
  c.Set(0, std::move(t));
  PropagateValues(c);
  return {};
}

Status InferCast(InferContext& c) {
  const DType to = OnnxDType(c.node.Int("to", 0));
  if (to == DType::kInvalid)
    return Unsupported("[", c.node.op, "] to type number ", c.node.Int("to", 0), " (node \"", c.node.loc, "\")");
  Type t = c.In(0);
  t.dtype = to;
  c.Set(0, std::move(t));
  if (!IsFloat(c.InType(0))) PropagateValues(c);
  return {};
}

Status InferCastLike(InferContext& c) {
  Type t = c.In(0);
  t.dtype = c.InType(1);
  c.Set(0, std::move(t));
  if (!IsFloat(c.InType(0))) PropagateValues(c);
  return {};
}

Status InferBitCast(InferContext& c) {
  Type t = c.In(0);
  t.dtype = OnnxDType(c.node.Int("to", 0));
  c.Set(0, std::move(t));
  return {};
}

Status InferDropout(InferContext& c) {
  c.Set(0, c.In(0));
  Type mask = c.In(0);
  mask.dtype = DType::kBool;
  c.Set(1, std::move(mask));
  return {};
}

}  // namespace hasten::ir
