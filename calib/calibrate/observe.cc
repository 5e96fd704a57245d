#include "calib/calibrate/observe.h"

#include <algorithm>
#include <cmath>

#include "compiler/interp/gemm.h"

namespace hasten::calib {

bool RoundActivations(int64_t rows, int64_t k, int64_t group, float* x) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t start = 0; start < k; start += group) {
      float* v = x + r * k + start;
      const int64_t count = std::min(group, k - start);
      float top = 0, poison = 0;
      for (int64_t i = 0; i < count; ++i) top = std::max(top, std::abs(v[i])), poison += v[i] * 0.0f;
      if (poison != 0.0f || std::isnan(poison)) return false;
      const float s = top < 0x1p-100f ? 0.0f : top / 127.0f;
      for (int64_t i = 0; i < count; ++i)
        v[i] = s > 0 ? s * std::clamp(std::nearbyint(v[i] / s), -127.0f, 127.0f) : 0.0f;
    }
  }
  return true;
}

void SumHessian(std::span<const std::vector<float>> samples, int64_t rows, int64_t k, ThreadPool& pool, std::vector<double>* h) {
  h->assign(static_cast<size_t>(k * k), 0.0);
  constexpr int64_t kTile = 96;   // rows of H at once; fixed, since a product's bits depend on its sizes
  pool.Run((k + kTile - 1) / kTile, 1, [&](int64_t begin, int64_t end, int) {
    std::vector<float> part;
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t * kTile, count = std::min(kTile, k - first), columns = k - first;   // the upper triangle
      part.resize(static_cast<size_t>(count * columns));
      for (const std::vector<float>& x : samples) {
        interp::GemmSerial({x.data() + first, x.data() + first, part.data(), count, columns, rows, k, k, columns, true, false});
        for (int64_t r = 0; r < count; ++r)
          for (int64_t c = 0; c < columns; ++c)
            (*h)[static_cast<size_t>((first + r) * k + first + c)] += static_cast<double>(part[static_cast<size_t>(r * columns + c)]);
      }
    }
  });
  for (int64_t r = 0; r < k; ++r)
    for (int64_t c = 0; c < r; ++c) (*h)[static_cast<size_t>(r * k + c)] = (*h)[static_cast<size_t>(c * k + r)];
}

double OutputEnergy(int64_t n, int64_t k, std::span<const float> w, std::span<const double> h, ThreadPool& pool) {
  constexpr int64_t kTile = 64;   // rows of W at once; fixed, as above
  const std::vector<float> narrow(h.begin(), h.end());
  std::vector<double> sums(static_cast<size_t>((n + kTile - 1) / kTile));
  pool.Run(static_cast<int64_t>(sums.size()), 1, [&](int64_t begin, int64_t end, int) {
    std::vector<float> product(static_cast<size_t>(kTile * k));
    for (int64_t t = begin; t < end; ++t) {
      const float* rows = w.data() + t * kTile * k;
      const int64_t count = std::min(kTile, n - t * kTile);
      interp::GemmSerial({rows, narrow.data(), product.data(), count, k, k, k, k, k, false, false});
      for (int64_t i = 0; i < count * k; ++i) sums[static_cast<size_t>(t)] += static_cast<double>(rows[i]) * product[static_cast<size_t>(i)];
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace hasten::calib
