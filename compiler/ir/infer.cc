#include "compiler/ir/infer.h"

#include <algorithm>
#include <set>

namespace hasten::ir {

const Type& InferContext::In(size_t i) const {
  static const Type absent;
  const Value* v = node.input(i);
  return v ? v->type : absent;
}

void InferContext::Set(size_t i, Type type) {
  if (i >= node.outputs().size()) return;
  Value* out = node.output(i);
  values.Erase(out);
  out->type = std::move(type);
}

void InferContext::SetValues(size_t i, std::vector<Dim> elements) {
  if (i >= node.outputs().size() || elements.size() > kMaxTrackedElements) return;
  const Type& t = node.output(i)->type;
  if (!t.ranked || t.rank() > 1 || t.dtype == DType::kInvalid || IsFloat(t.dtype)) return;
  const int64_t count = static_cast<int64_t>(elements.size());
  if (t.rank() == 0 ? count != 1 : !t.shape[0] || *t.shape[0] != Poly(count)) return;
  if (std::none_of(elements.begin(), elements.end(), [](const Dim& d) { return d.has_value(); }) && count) return;
  values.Set(node.output(i), std::move(elements));
}

Result<int64_t> InferContext::Axis(int64_t axis, int64_t rank) const {
  if (axis < -rank || axis >= rank) return Error("axis ", axis, " is outside of a tensor of rank ", rank);
  return axis < 0 ? axis + rank : axis;
}

Result<std::vector<int64_t>> InferContext::Axes(std::vector<int64_t> axes, int64_t rank) const {
  std::set<int64_t> seen;
  for (int64_t& a : axes) {
    HST_ASSIGN_OR_RETURN(a, Axis(a, rank));
    if (!seen.insert(a).second) return Error("axis ", a, " stands twice in axes");
  }
  return axes;
}

Status InferContext::SameDim(std::string_view what, const Dim& a, const Dim& b) const {
  if (a && b && a->IsConst() && b->IsConst() && *a != *b)
    return Error(what, ": needed ", a->ToString(), ", came ", b->ToString());
  return {};
}

Status InferContext::NeedRank(size_t i, int64_t rank) const {
  if (!Ranked(i) || In(i).rank() == rank) return {};
  return Error("input ", i, ": needed rank ", rank, ", came ", TypeString(In(i)));
}

Status InferContext::NeedSameType(size_t i, size_t j) const {
  const DType a = InType(i), b = InType(j);
  if (a == DType::kInvalid || b == DType::kInvalid || a == b) return {};
  return Error("inputs ", i, " and ", j, " need one type, came ", DTypeName(a), " and ", DTypeName(b));
}

std::optional<Dim> BroadcastDim(const Dim& a, const Dim& b) {
  const Poly one(1);
  if (a && *a == one) return b;
  if (b && *b == one) return a;
  const bool a_const = a && a->IsConst(), b_const = b && b->IsConst();
  if (a && b && *a == *b) return a;
  if (a_const && b_const) return std::nullopt;
  if (a_const) return a;  // the other side is 1 or equal, else the model is wrong at run time
  if (b_const) return b;
  return Dim();
}

Result<std::vector<Dim>> BroadcastDims(const InferContext& c, const std::vector<Dim>& a, const std::vector<Dim>& b) {
  std::vector<Dim> out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {  // from the right
    const Dim da = i < a.size() ? a[a.size() - 1 - i] : Dim(Poly(1));
    const Dim db = i < b.size() ? b[b.size() - 1 - i] : Dim(Poly(1));
    const std::optional<Dim> d = BroadcastDim(da, db);
    if (!d)
      return c.Error("shapes do not broadcast: ", TypeString(Type::Of(DType::kInvalid, a)), " and ",
                     TypeString(Type::Of(DType::kInvalid, b)));
    out[out.size() - 1 - i] = *d;
  }
  return out;
}

std::vector<Dim> ConstDims(const std::vector<int64_t>& dims) {
  std::vector<Dim> out;
  for (int64_t d : dims) out.emplace_back(Poly(d));
  return out;
}

std::string DimText(const Dim& d) { return d ? d->ToString() : "?"; }

DType OnnxDType(int64_t number) {
  switch (number) {  // onnx.proto3, TensorProto.DataType
    case 1: return DType::kF32;
    case 2: return DType::kU8;
    case 3: return DType::kI8;
    case 4: return DType::kU16;
    case 5: return DType::kI16;
    case 6: return DType::kI32;
    case 7: return DType::kI64;
    case 9: return DType::kBool;
    case 10: return DType::kF16;
    case 11: return DType::kF64;
    case 12: return DType::kU32;
    case 13: return DType::kU64;
    case 16: return DType::kBF16;
    default: return DType::kInvalid;
  }
}

}  // namespace hasten::ir
