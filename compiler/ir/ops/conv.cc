// Inference of convolutions, pools and the rest of the vision and audio ops:
// ranks and channel dims only. Spatial sizes follow from attributes at run time;
// no transformer pass asks for them.
#include "compiler/ir/ops/rules.h"

namespace hasten::ir {
namespace {

// Batch from `batch`, channels as given, unknown spatial dims.
void SetSpatial(InferContext& c, size_t out, DType dtype, const Dim& channels) {
  if (!c.Ranked(0) || c.In(0).rank() < 2) {
    c.SetUnranked(out, dtype);
    return;
  }
  std::vector<Dim> shape = UnknownDims(c.Shape(0).size());
  shape[0] = c.Shape(0)[0];
  shape[1] = channels;
  c.Set(out, Type::Of(dtype, std::move(shape)));
}

Dim FirstDim(const InferContext& c, size_t i) { return c.Ranked(i) && c.In(i).rank() > 0 ? c.Shape(i)[0] : Dim(); }

void SetUnknown(InferContext& c, size_t out, DType dtype, size_t rank) { c.Set(out, Type::Of(dtype, UnknownDims(rank))); }

}  // namespace

Status InferConv(InferContext& c) {
  SetSpatial(c, 0, c.InType(0), FirstDim(c, 1));
  return {};
}

Status InferConvInteger(InferContext& c) {
  SetSpatial(c, 0, DType::kI32, FirstDim(c, 1));
  return {};
}

Status InferQLinearConv(InferContext& c) {
  SetSpatial(c, 0, c.InType(7), FirstDim(c, 3));
  return {};
}

Status InferConvTranspose(InferContext& c) {
  SetSpatial(c, 0, c.InType(0), Dim());
  return {};
}

Status InferPool(InferContext& c) {
  const Dim channels = c.Ranked(0) && c.In(0).rank() >= 2 ? c.Shape(0)[1] : Dim();
  SetSpatial(c, 0, c.InType(0), channels);
  SetSpatial(c, 1, DType::kI64, channels);
  return {};
}

Status InferGlobalPool(InferContext& c) {
  if (!c.Ranked(0) || c.In(0).rank() < 2) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  std::vector<Dim> shape(c.Shape(0).size(), Dim(Poly(1)));
  shape[0] = c.Shape(0)[0];
  shape[1] = c.Shape(0)[1];
  c.Set(0, Type::Of(c.InType(0), std::move(shape)));
  return {};
}

Status InferResize(InferContext& c) {
  if (c.Ranked(0)) SetUnknown(c, 0, c.InType(0), c.Shape(0).size());
  else c.SetUnranked(0, c.InType(0));
  return {};
}

Status InferRecurrent(InferContext& c) {
  SetUnknown(c, 0, c.InType(0), 4);
  SetUnknown(c, 1, c.InType(0), 3);
  SetUnknown(c, 2, c.InType(0), 3);
  return {};
}

Status InferWindow(InferContext& c) {
  const auto size = c.Values(0);
  c.Set(0, Type::Of(OnnxDType(c.node.Int("output_datatype", 1)), {size && size->size() == 1 ? (*size)[0] : Dim()}));
  return {};
}

Status InferGridSample(InferContext& c) { return InferPool(c); }

Status InferAffineGrid(InferContext& c) {
  const auto size = c.Values(1);
  if (!size || size->size() < 3) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  std::vector<Dim> shape{(*size)[0]};
  shape.insert(shape.end(), size->begin() + 2, size->end());
  shape.emplace_back(Poly(static_cast<int64_t>(size->size()) - 2));
  c.Set(0, Type::Of(c.InType(0), std::move(shape)));
  return {};
}

Status InferCol2Im(InferContext& c) {
  const auto image = c.Values(1);
  if (!image) {
    c.SetUnranked(0, c.InType(0));
    return {};
  }
  std::vector<Dim> shape{FirstDim(c, 0), Dim()};
  shape.insert(shape.end(), image->begin(), image->end());
  c.Set(0, Type::Of(c.InType(0), std::move(shape)));
  return {};
}

Status InferMaxUnpool(InferContext& c) { return InferResize(c); }

Status InferNms(InferContext& c) {
  c.Set(0, Type::Of(DType::kI64, {Dim(), Poly(3)}));
  return {};
}

Status InferMelWeightMatrix(InferContext& c) {
  SetUnknown(c, 0, OnnxDType(c.node.Int("output_datatype", 1)), 2);
  return {};
}

}  // namespace hasten::ir
