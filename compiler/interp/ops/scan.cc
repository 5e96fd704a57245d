// Running sums and products, and triangles.
#include <algorithm>

#include "compiler/interp/dispatch.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

// y[i] = y[i-1] op x[i] along the axis of operand 1, in either direction.
template <class F>
Status Cumulate(EvalContext& c, int neutral, F op) {
  const Tensor& x = c.In(0);
  HST_ASSIGN_OR_RETURN(int64_t axis, c.ScalarInt(1));
  HST_ASSIGN_OR_RETURN(axis, c.Axis(axis, x.rank()));
  const bool exclusive = c.node.Int("exclusive", 0) != 0, reverse = c.node.Int("reverse", 0) != 0;
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), x.dims()));
  const int64_t n = x.dim(axis), stride = Product(x.dims(), static_cast<size_t>(axis) + 1, x.dims().size());
  const int64_t lines = x.elements() ? x.elements() / n : 0;
  const bool known = ForNumber(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = std::conditional_t<std::is_floating_point_v<T>, double, T>;
    for (int64_t k = 0; k < lines; ++k) {
      const int64_t base = k / stride * n * stride + k % stride;
      A acc = static_cast<A>(neutral);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t at = base + (reverse ? n - 1 - i : i) * stride;
        const A v = static_cast<A>(x.template data<T>()[at]);
        if (exclusive) o.template mutable_data<T>()[at] = static_cast<T>(acc);
        acc = op(acc, v);
        if (!exclusive) o.template mutable_data<T>()[at] = static_cast<T>(acc);
      }
    }
  });
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  return {};
}

}  // namespace

Status EvalCumSum(EvalContext& c) {
  return Cumulate(c, 0, [](auto a, auto b) { return WrapAdd(a, b); });
}
Status EvalCumProd(EvalContext& c) {
  return Cumulate(c, 1, [](auto a, auto b) { return WrapMul(a, b); });
}

Status EvalTrilu(EvalContext& c) {
  const Tensor& x = c.In(0);
  if (x.rank() < 2) return c.Error("needed rank >= 2, came dims ", DimsText(x.dims()));
  int64_t k = 0;
  if (c.Has(1)) {
    HST_ASSIGN_OR_RETURN(k, c.ScalarInt(1));
  }
  const bool upper = c.node.Int("upper", 1) != 0;
  const int64_t rows = x.dim(-2), columns = x.dim(-1);
  k = std::clamp<int64_t>(k, -rows - 1, columns + 1);
  HST_ASSIGN_OR_RETURN(Tensor o, c.MakeZeros(x.dtype(), x.dims()));
  const size_t element = DTypeSize(x.dtype());
  const int64_t lines = x.elements() ? x.elements() / columns : 0;
  for (int64_t line = 0; line < lines; ++line) {
    const int64_t diagonal = std::clamp<int64_t>(line % rows + k, -1, columns);  // the row's diagonal column
    const int64_t begin = upper ? std::max<int64_t>(diagonal, 0) : 0, end = upper ? columns : std::min(columns, diagonal + 1);
    if (begin >= end) continue;
    const size_t at = static_cast<size_t>(line * columns + begin) * element;
    std::copy_n(x.raw() + at, static_cast<size_t>(end - begin) * element, o.mutable_raw() + at);
  }
  c.out[0] = std::move(o);
  return {};
}

}  // namespace hasten::interp
