// Elementwise ops of two operands: of the same dims, or one of them a scalar or a
// vector over the columns (a weight).
#include <cmath>

#include "calib/grad/backward.h"

namespace hasten::calib {
namespace {

// Element i of an operand, and where its gradient belongs.
struct Operand {
  const float* p;
  int64_t elements;   // 1, the columns, or all
  bool full;          // as many as the output has
  float operator[](int64_t i) const { return p[full ? i : i % elements]; }
};

// f(x, y) -> the pair of partial derivatives. kValues: it depends on x and y.
template <bool kValues = true, class F>
Status Binary(const BackwardArgs& a, const F& f) {
  const int64_t n = a.out.elements();
  Operand o[2];
  for (size_t k = 0; k < 2; ++k) {
    const ir::Tensor& t = a.in[k];
    if (t.dtype() != DType::kF32) return a.Error("of ", DTypeName(t.dtype()));
    o[k] = {t.data<float>(), t.elements(), t.dims() == a.out.dims()};
    const bool columns = t.rank() >= 1 && a.out.rank() >= 1 && t.elements() == a.out.dim(-1) && t.dim(-1) == a.out.dim(-1);
    if (!o[k].full && t.elements() != 1 && !columns) return a.Error("whose operand ", k, " is broadcast over its columns");
  }
  constexpr int64_t kPiece = 4096;
  a.pool.Run((n + kPiece - 1) / kPiece, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin * kPiece; i < std::min(n, end * kPiece); ++i) {
      const auto [dx, dy] = kValues ? f(o[0][i], o[1][i]) : f(0, 0);
      if (a.d[0] && o[0].full) a.d[0][i] += a.g[i] * dx;
      if (a.d[1] && o[1].full) a.d[1][i] += a.g[i] * dy;
    }
  });
  for (size_t k = 0; k < 2; ++k) {
    if (!a.d[k] || o[k].full) continue;
    std::vector<double> sum(static_cast<size_t>(o[k].elements), 0.0);
    for (int64_t i = 0; i < n; ++i) {
      const auto [dx, dy] = kValues ? f(o[0][i], o[1][i]) : f(0, 0);
      sum[static_cast<size_t>(i % o[k].elements)] += static_cast<double>(a.g[i] * (k == 0 ? dx : dy));
    }
    for (int64_t j = 0; j < o[k].elements; ++j) a.d[k][j] += static_cast<float>(sum[static_cast<size_t>(j)]);
  }
  return {};
}

struct Partials {
  float x, y;
};

}  // namespace

Status BackwardAdd(const BackwardArgs& a) {
  return Binary<false>(a, [](float, float) { return Partials{1, 1}; });
}
Status BackwardSub(const BackwardArgs& a) {
  return Binary<false>(a, [](float, float) { return Partials{1, -1}; });
}
Status BackwardMul(const BackwardArgs& a) {
  return Binary(a, [](float x, float y) { return Partials{y, x}; });
}
Status BackwardDiv(const BackwardArgs& a) {
  return Binary(a, [](float x, float y) { return Partials{1 / y, -x / (y * y)}; });
}
Status BackwardPow(const BackwardArgs& a) {
  return Binary(a, [](float x, float y) { return Partials{y * std::pow(x, y - 1), x > 0 ? std::pow(x, y) * std::log(x) : 0}; });
}
// Of equal operands the first is the one that passes.
Status BackwardMax(const BackwardArgs& a) {
  if (a.in.size() != 2) return a.Error("of ", a.in.size(), " operands");
  return Binary(a, [](float x, float y) { return Partials{x >= y ? 1.0f : 0.0f, x >= y ? 0.0f : 1.0f}; });
}
Status BackwardMin(const BackwardArgs& a) {
  if (a.in.size() != 2) return a.Error("of ", a.in.size(), " operands");
  return Binary(a, [](float x, float y) { return Partials{x <= y ? 1.0f : 0.0f, x <= y ? 0.0f : 1.0f}; });
}

}  // namespace hasten::calib
