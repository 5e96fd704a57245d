// softmax, log_softmax and hardmax along one axis (ONNX opset 13).
#include <algorithm>
#include <cmath>

#include "compiler/interp/dispatch.h"
#include "compiler/interp/fast_math.h"
#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

// fn(x, y, n, stride) for each line of the axis.
template <class F>
Status AlongAxis(EvalContext& c, F fn) {
  const Tensor& x = c.In(0);
  int64_t axis = 0;
  if (x.rank() > 0) {
    HST_ASSIGN_OR_RETURN(axis, c.Axis(c.node.Int("axis", -1), x.rank()));
  }
  HST_ASSIGN_OR_RETURN(Tensor o, c.Make(x.dtype(), x.dims()));
  const size_t a = static_cast<size_t>(axis);
  const int64_t n = x.rank() ? x.dim(axis) : 1, stride = x.rank() ? Product(x.dims(), a + 1, x.dims().size()) : 1;
  const int64_t lines = x.elements() ? x.elements() / n : 0;
  const bool known = ForFloat(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = x.template data<T>();
    T* to = o.template mutable_data<T>();
    c.Parallel(lines, 4 * n, [&](int64_t b, int64_t e) {
      for (int64_t k = b; k < e; ++k) {
        const int64_t at = k / stride * n * stride + k % stride;
        fn(from + at, to + at, n, stride);
      }
    });
  });
  if (!known) return c.WrongType(0);
  c.out[0] = std::move(o);
  return {};
}

template <class T>
T Top(const T* x, int64_t n, int64_t stride) {
  if (stride != 1) {
    T top = x[0];
    for (int64_t i = 1; i < n; ++i) top = std::max(top, x[i * stride]);
    return top;
  }
  constexpr int64_t kLanes = 8;  // independent maxima: one chain would wait for itself
  T lanes[kLanes];
  std::fill_n(lanes, kLanes, x[0]);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] = lanes[l] < x[i + l] ? x[i + l] : lanes[l];
  for (; i < n; ++i) lanes[0] = std::max(lanes[0], x[i]);
  return *std::max_element(lanes, lanes + kLanes);
}

// In double, by lanes for the same reason.
template <class T>
double Sum(const T* y, int64_t n, int64_t stride) {
  constexpr int64_t kLanes = 8;
  double lanes[kLanes] = {}, sum = 0;
  int64_t i = 0;
  for (; stride == 1 && i + kLanes <= n; i += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] += static_cast<double>(y[i + l]);
  for (; i < n; ++i) sum += static_cast<double>(y[i * stride]);
  for (double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

Status EvalSoftmax(EvalContext& c) {
  return AlongAxis(c, [](auto* x, auto* y, int64_t n, int64_t stride) {
    using T = std::remove_reference_t<decltype(*y)>;
    const T top = Top(x, n, stride);
    double sum = 0;
    if (stride == 1) {  // apart from the sum, so that it vectorizes
      for (int64_t i = 0; i < n; ++i) y[i] = FastExp(x[i] - top);
    } else {
      for (int64_t i = 0; i < n; ++i) y[i * stride] = FastExp(x[i * stride] - top);
    }
    sum = Sum(y, n, stride);
    const T scale = static_cast<T>(1 / sum);
    for (int64_t i = 0; i < n; ++i) y[i * stride] *= scale;
  });
}

Status EvalLogSoftmax(EvalContext& c) {
  return AlongAxis(c, [](auto* x, auto* y, int64_t n, int64_t stride) {
    using T = std::remove_reference_t<decltype(*y)>;
    const T top = Top(x, n, stride);
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i * stride]) - static_cast<double>(top));
    const double shift = static_cast<double>(top) + std::log(sum);
    for (int64_t i = 0; i < n; ++i) y[i * stride] = static_cast<T>(static_cast<double>(x[i * stride]) - shift);
  });
}

Status EvalHardmax(EvalContext& c) {
  return AlongAxis(c, [](auto* x, auto* y, int64_t n, int64_t stride) {
    using T = std::remove_reference_t<decltype(*y)>;
    int64_t best = 0;
    for (int64_t i = 1; i < n; ++i)
      if (x[i * stride] > x[best * stride]) best = i;
    for (int64_t i = 0; i < n; ++i) y[i * stride] = T(i == best);
  });
}

}  // namespace hasten::interp
