// depth_to_space, space_to_depth (ONNX opset 13), window functions (17), det (22)
// and dropout in inference.
#include <cmath>
#include <numbers>

#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/interp/ops/move.h"
#include "compiler/ir/infer.h"

namespace hasten::interp {
namespace {

Result<int64_t> BlockSize(EvalContext& c) {
  HST_RETURN_IF_ERROR(c.NeedRank(0, 4));
  const int64_t block = c.node.Int("blocksize", 0);
  if (block < 1 || block > 1 << 20) return c.Error("blocksize is ", block);
  return block;
}

// The operand seen as `six` axes, permuted, seen as `dims`.
Status Rearrange(EvalContext& c, const std::vector<int64_t>& six, const std::vector<int64_t>& perm, std::vector<int64_t> dims) {
  HST_ASSIGN_OR_RETURN(const Tensor o, Transposed(c, c.In(0).Reshaped(six), perm));
  c.out[0] = o.Reshaped(std::move(dims));
  return {};
}

}  // namespace

Status EvalDepthToSpace(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(const int64_t b, BlockSize(c));
  const auto& d = c.In(0).dims();
  if (d[1] % (b * b)) return c.Error(d[1], " channels in blocks of ", b, " squared");
  const int64_t depth = d[1] / (b * b);
  const std::vector<int64_t> dims{d[0], depth, d[2] * b, d[3] * b};
  if (c.node.Str("mode", "DCR") == "CRD") return Rearrange(c, {d[0], depth, b, b, d[2], d[3]}, {0, 1, 4, 2, 5, 3}, dims);
  return Rearrange(c, {d[0], b, b, depth, d[2], d[3]}, {0, 3, 4, 1, 5, 2}, dims);
}

Status EvalSpaceToDepth(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(const int64_t b, BlockSize(c));
  const auto& d = c.In(0).dims();
  if (d[2] % b || d[3] % b) return c.Error("dims ", DimsText(d), " in blocks of ", b);
  return Rearrange(c, {d[0], d[1], d[2] / b, b, d[3] / b, b}, {0, 3, 5, 1, 2, 4}, {d[0], d[1] * b * b, d[2] / b, d[3] / b});
}

namespace {

// f(2 pi n / N), N being the size, or one less when not periodic.
template <class F>
Status WindowFunction(EvalContext& c, F f) {
  HST_ASSIGN_OR_RETURN(const int64_t size, c.ScalarInt(0));
  const DType to = ir::OnnxDType(c.node.Int("output_datatype", 1));
  if (to == DType::kInvalid) return Unsupported("[", c.node.op, "] output_datatype (node \"", c.node.loc, "\")");
  HST_RETURN_IF_ERROR(RoomForDoubles(c, {size}));
  const double n = static_cast<double>(c.node.Int("periodic", 1) != 0 ? size : size - 1);
  std::vector<double> v;
  for (int64_t i = 0; i < size; ++i) v.push_back(f(n == 0 ? 0 : 2 * std::numbers::pi * static_cast<double>(i) / n));
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, to, {size}, v));
  return {};
}

}  // namespace

Status EvalHannWindow(EvalContext& c) {
  return WindowFunction(c, [](double x) { return 0.5 - 0.5 * std::cos(x); });
}
Status EvalHammingWindow(EvalContext& c) {
  return WindowFunction(c, [](double x) { return 25.0 / 46.0 - 21.0 / 46.0 * std::cos(x); });
}
Status EvalBlackmanWindow(EvalContext& c) {
  return WindowFunction(c, [](double x) { return 0.42 - 0.5 * std::cos(x) + 0.08 * std::cos(2 * x); });
}

Status EvalDet(EvalContext& c) {
  const Tensor& x = c.In(0);
  if (x.rank() < 2 || x.dim(-1) != x.dim(-2)) return c.Error("needed square matrices, came dims ", DimsText(x.dims()));
  const int64_t n = x.dim(-1), count = Product(x.dims(), 0, x.dims().size() - 2);
  HST_RETURN_IF_ERROR(c.SpendPlain({x.elements(), std::max<int64_t>(n, 1)}));
  const std::vector<double> all = ToDoubles(x);
  std::vector<double> dets;
  for (int64_t m = 0; m < count; ++m) {
    std::vector<double> a(all.begin() + m * n * n, all.begin() + (m + 1) * n * n);
    double det = 1;
    for (int64_t k = 0; k < n && det != 0; ++k) {   // elimination with the largest pivot
      int64_t pivot = k;
      const auto at = [&](int64_t r, int64_t col) -> double& { return a[static_cast<size_t>(r * n + col)]; };
      for (int64_t r = k + 1; r < n; ++r)
        if (std::abs(at(r, k)) > std::abs(at(pivot, k))) pivot = r;
      if (pivot != k) {
        for (int64_t col = 0; col < n; ++col) std::swap(at(k, col), at(pivot, col));
        det = -det;
      }
      det *= at(k, k);
      for (int64_t r = k + 1; r < n && at(k, k) != 0; ++r) {
        const double f = at(r, k) / at(k, k);
        for (int64_t col = k; col < n; ++col) at(r, col) -= f * at(k, col);
      }
    }
    dets.push_back(det);
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), {x.dims().begin(), x.dims().end() - 2}, dets));
  return {};
}

Status EvalDropout(EvalContext& c) {
  const bool training = c.Has(2) && c.In(2).elements() == 1 && c.In(2).IntAt(0) != 0;
  const double ratio = c.Has(1) && c.In(1).elements() == 1 ? c.In(1).At(0) : 0.5;
  if (training && ratio != 0) return Unsupported("[dropout] training mode is random (node \"", c.node.loc, "\")");
  c.out[0] = c.In(0);
  if (c.OutputCount() > 1) {
    HST_ASSIGN_OR_RETURN(Tensor mask, c.Make(DType::kBool, c.In(0).dims()));
    std::fill_n(mask.mutable_data<uint8_t>(), mask.elements(), uint8_t{1});
    c.out[1] = std::move(mask);
  }
  return {};
}

}  // namespace hasten::interp
