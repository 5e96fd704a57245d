// Quantization (ONNX QuantizeLinear-25, DequantizeLinear-25, DynamicQuantizeLinear-11)
// and integer products (MatMulInteger-10, QLinearMatMul-21).
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/interp/broadcast.h"
#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/ir/infer.h"

namespace hasten::interp {
namespace {

// Which scale each element of operand 0 uses: one, one along an axis, or one a block.
class Scales {
 public:
  static Result<Scales> Make(EvalContext& c) {
    const Tensor &x = c.In(0), &scale = c.In(1);
    Scales s;
    if (c.Has(2)) HST_RETURN_IF_ERROR(c.NeedDims(2, scale.dims()));
    if (scale.elements() == 1 && scale.rank() <= 1) return s;
    HST_ASSIGN_OR_RETURN(const int64_t axis, c.Axis(c.node.Int("axis", 1), x.rank()));
    const size_t a = static_cast<size_t>(axis);
    s.n_ = x.dims()[a];
    s.inner_ = Product(x.dims(), a + 1, x.dims().size());
    const int64_t block = c.node.Int("block_size", 0);
    if (block < 0) return c.Error("block_size is ", block);
    if (scale.rank() == 1 && block == 0) {
      if (scale.elements() != s.n_) return c.Error("scale has ", scale.elements(), " elements, the axis ", s.n_);
      s.kind_ = Kind::kAxis;
      return s;
    }
    std::vector<int64_t> need = x.dims();
    s.block_ = block;
    need[a] = block ? (s.n_ + block - 1) / block : 0;
    if (block == 0 || scale.dims() != need) return c.Error("scale of dims ", DimsText(scale.dims()), " for ", DimsText(x.dims()), " in blocks of ", block);
    s.blocks_ = need[a];
    s.kind_ = Kind::kBlock;
    return s;
  }
  int64_t At(int64_t i) const {
    if (kind_ == Kind::kOne) return 0;
    const int64_t k = i / inner_ % n_;
    return kind_ == Kind::kAxis ? k : (i / inner_ / n_ * blocks_ + k / block_) * inner_ + i % inner_;
  }

 private:
  enum class Kind { kOne, kAxis, kBlock } kind_ = Kind::kOne;
  int64_t n_ = 1, inner_ = 1, block_ = 1, blocks_ = 1;
};

bool QuantizedType(DType t) {
  return t == DType::kI8 || t == DType::kU8 || t == DType::kI16 || t == DType::kU16 || t == DType::kI32;
}

}  // namespace

Status EvalQuantizeLinear(EvalContext& c) {
  const Tensor &x = c.In(0), &scale = c.In(1);
  HST_ASSIGN_OR_RETURN(const Scales scales, Scales::Make(c));
  DType to = c.Has(2) ? c.In(2).dtype() : DType::kU8;
  if (!c.Has(2) && c.node.Int("output_dtype", 0) != 0) to = ir::OnnxDType(c.node.Int("output_dtype", 0));
  if (!QuantizedType(to)) return Unsupported("[quantize_linear] to a type out of scope (node \"", c.node.loc, "\")");
  HST_RETURN_IF_ERROR(RoomForDoubles(c, x.dims()));
  std::vector<double> values(static_cast<size_t>(x.elements()));
  for (int64_t i = 0; i < x.elements(); ++i) {
    const int64_t k = scales.At(i);
    // One division in fp32, as the operator's precision asks.
    const float q = std::nearbyint(static_cast<float>(x.At(i)) / static_cast<float>(scale.At(k)));
    values[static_cast<size_t>(i)] = static_cast<double>(q) + (c.Has(2) ? c.In(2).At(k) : 0.0);
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, to, x.dims(), values));
  return {};
}

Status EvalDequantizeLinear(EvalContext& c) {
  const Tensor &x = c.In(0), &scale = c.In(1);
  if (!QuantizedType(x.dtype())) return c.WrongType(0);
  if (!IsFloat(scale.dtype())) return c.WrongType(1);
  if (c.Has(2)) HST_RETURN_IF_ERROR(c.NeedType(2, x.dtype()));
  HST_ASSIGN_OR_RETURN(const Scales scales, Scales::Make(c));
  DType to = scale.dtype();
  if (c.node.Int("output_dtype", 0) != 0) to = ir::OnnxDType(c.node.Int("output_dtype", 0));
  if (!IsFloat(to)) return Unsupported("[dequantize_linear] to a type out of scope (node \"", c.node.loc, "\")");
  HST_RETURN_IF_ERROR(RoomForDoubles(c, x.dims()));
  std::vector<double> values(static_cast<size_t>(x.elements()));
  for (int64_t i = 0; i < x.elements(); ++i) {
    const int64_t k = scales.At(i);
    const double zero = c.Has(2) ? c.In(2).At(k) : 0.0;
    values[static_cast<size_t>(i)] = static_cast<double>(static_cast<float>(x.At(i) - zero) * static_cast<float>(scale.At(k)));
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, to, x.dims(), values));
  return {};
}

Status EvalDynamicQuantizeLinear(EvalContext& c) {
  HST_RETURN_IF_ERROR(c.NeedType(0, DType::kF32));
  const Tensor& x = c.In(0);
  float low = 0, high = 0;
  for (float v : x.span<float>()) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  const float scale = (high - low) / 255.0f;
  const float zero = scale == 0 ? 0 : std::nearbyint(std::clamp(-low / scale, 0.0f, 255.0f));
  HST_ASSIGN_OR_RETURN(Tensor y, c.Make(DType::kU8, x.dims()));
  for (int64_t i = 0; i < x.elements(); ++i)
    y.mutable_data<uint8_t>()[i] = Convert<uint8_t>(scale == 0 ? zero : std::nearbyint(x.data<float>()[i] / scale) + zero);
  c.out[0] = std::move(y);
  c.out[1] = Tensor::Scalar<float>(scale);
  c.out[2] = Tensor::Scalar<uint8_t>(Convert<uint8_t>(zero));
  return {};
}

namespace {

// Scale or zero point `i` for row (or column) k of a matrix whose other dims are
// `lead`: one value, one a row, or one a row of each matrix.
Result<std::vector<double>> PerLine(EvalContext& c, size_t i, int64_t matrices, int64_t lines, double fallback) {
  const size_t count = static_cast<size_t>(matrices * lines);
  if (!c.Has(i)) return std::vector<double>(count, fallback);
  const std::vector<double> v = ToDoubles(c.In(i));
  if (v.size() != 1 && v.size() != static_cast<size_t>(lines) && v.size() != count)
    return c.Error("operand ", i, " of dims ", DimsText(c.In(i).dims()), " for ", lines, " lines");
  std::vector<double> out(count);
  for (size_t k = 0; k < count; ++k) out[k] = v.size() == 1 ? v[0] : v.size() == count ? v[k] : v[k % static_cast<size_t>(lines)];
  return out;
}

// The product of a - za and b - zb, times the scales of its rows and columns;
// operands by number, scales absent when 0.
Status IntegerProduct(EvalContext& c, size_t ia, size_t ib, size_t sa, size_t za, size_t sb, size_t zb, DType to, double y_scale, double y_zero) {
  const Tensor &ta = c.In(ia), &tb = c.In(ib);
  if (ta.rank() < 2 || tb.rank() < 2) return c.Error("needed rank >= 2, came ", DimsText(ta.dims()), " and ", DimsText(tb.dims()));
  const int64_t m = ta.dim(-2), k = ta.dim(-1), n = tb.dim(-1);
  if (tb.dim(-2) != k) return c.Error("K: operands have dims ", DimsText(ta.dims()), " and ", DimsText(tb.dims()));
  const std::vector<int64_t> lead_a(ta.dims().begin(), ta.dims().end() - 2), lead_b(tb.dims().begin(), tb.dims().end() - 2);
  HST_ASSIGN_OR_RETURN(std::vector<int64_t> dims, BroadcastShape(c, lead_a, lead_b));
  const int64_t batches = Product(dims, 0, dims.size()), na = Product(lead_a, 0, lead_a.size()), nb = Product(lead_b, 0, lead_b.size());
  if ((na != batches && na != 1) || (nb != batches && nb != 1)) return c.Error("batches ", DimsText(lead_a), " and ", DimsText(lead_b));
  dims.insert(dims.end(), {m, n});
  HST_RETURN_IF_ERROR(RoomForDoubles(c, dims));
  HST_ASSIGN_OR_RETURN(const std::vector<double> a_zero, PerLine(c, za, na, m, 0));
  HST_ASSIGN_OR_RETURN(const std::vector<double> b_zero, PerLine(c, zb, nb, n, 0));
  const bool scaled = to != DType::kI32;
  HST_ASSIGN_OR_RETURN(const std::vector<double> a_scale, PerLine(c, scaled ? sa : SIZE_MAX, na, m, 1));
  HST_ASSIGN_OR_RETURN(const std::vector<double> b_scale, PerLine(c, scaled ? sb : SIZE_MAX, nb, n, 1));
  HST_RETURN_IF_ERROR(c.SpendPlain({batches, m, n, k}));
  const std::vector<double> a = ToDoubles(ta), b = ToDoubles(tb);
  std::vector<double> y(static_cast<size_t>(batches * m * n));
  for (int64_t t = 0; t < batches; ++t)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        const int64_t pa = (na == 1 ? 0 : t) * m + i, pb = (nb == 1 ? 0 : t) * n + j;
        double sum = 0;
        for (int64_t l = 0; l < k; ++l)
          sum += (a[static_cast<size_t>(pa * k + l)] - a_zero[static_cast<size_t>(pa)]) *
                 (b[static_cast<size_t>(((nb == 1 ? 0 : t) * k + l) * n + j)] - b_zero[static_cast<size_t>(pb)]);
        if (scaled) sum = std::nearbyint(sum * (a_scale[static_cast<size_t>(pa)] * b_scale[static_cast<size_t>(pb)] / y_scale)) + y_zero;
        y[static_cast<size_t>((t * m + i) * n + j)] = sum;
      }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, to, dims, y));
  return {};
}

}  // namespace

Status EvalMatMulInteger(EvalContext& c) { return IntegerProduct(c, 0, 1, 0, 2, 0, 3, DType::kI32, 1, 0); }

Status EvalQLinearMatMul(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(const double y_scale, c.ScalarFloat(6));
  HST_ASSIGN_OR_RETURN(const double y_zero, c.ScalarFloat(7));
  return IntegerProduct(c, 0, 3, 1, 2, 4, 5, c.In(7).dtype(), y_scale, y_zero);
}

}  // namespace hasten::interp
