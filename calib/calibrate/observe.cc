#include "calib/calibrate/observe.h"

#include <algorithm>
#include <cmath>

#include "compiler/interp/gemm.h"

namespace hasten::calib {

namespace {

// A group to the values that its INT8 stands for; what is left to `rest`.
bool RoundGroup(int64_t count, float* v, float* rest) {
  float top = 0, poison = 0;
  for (int64_t i = 0; i < count; ++i) top = std::max(top, std::abs(v[i])), poison += v[i] * 0.0f;
  if (poison != 0.0f || std::isnan(poison)) return false;
  const float s = top < 0x1p-100f ? 0.0f : top / 127.0f;
  for (int64_t i = 0; i < count; ++i) {
    const float q = s > 0 ? std::clamp(std::nearbyint(v[i] / s), -127.0f, 127.0f) : 0.0f;
    rest[i] = std::fma(-q, s, v[i]);
    v[i] = s * q;
  }
  return true;
}

}  // namespace

bool RoundActivations(int64_t rows, int64_t k, int64_t group, float* x, bool residual) {
  std::vector<float> rest(static_cast<size_t>(std::min(group, k))), none(rest.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t start = 0; start < k; start += group) {
      float* v = x + r * k + start;
      const int64_t count = std::min(group, k - start);
      if (!RoundGroup(count, v, rest.data())) return false;
      if (!residual) continue;
      if (!RoundGroup(count, rest.data(), none.data())) return false;
      for (int64_t i = 0; i < count; ++i) v[i] += rest[static_cast<size_t>(i)];
    }
  }
  return true;
}

namespace {

constexpr int64_t kTile = 96;   // rows of a sum at once; fixed, since a product's bits depend on its sizes

// sum[r][c] += the sum of a_r b_c, for columns from the tile's first row on (the upper
// triangle) or for all.
void AddProducts(std::span<const std::vector<float>> a, int64_t n, std::span<const std::vector<float>> b, int64_t k, bool upper,
                 ThreadPool& pool, std::vector<double>* sum) {
  pool.Run((n + kTile - 1) / kTile, 1, [&](int64_t begin, int64_t end, int) {
    std::vector<float> part;
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t * kTile, count = std::min(kTile, n - first), from = upper ? first : 0, columns = k - from;
      part.resize(static_cast<size_t>(count * columns));
      for (size_t s = 0; s < a.size(); ++s) {
        const int64_t rows = static_cast<int64_t>(a[s].size()) / n;
        interp::GemmSerial({a[s].data() + first, b[s].data() + from, part.data(), count, columns, rows, n, k, columns, true, false});
        for (int64_t r = 0; r < count; ++r)
          for (int64_t c = 0; c < columns; ++c)
            (*sum)[static_cast<size_t>((first + r) * k + from + c)] += static_cast<double>(part[static_cast<size_t>(r * columns + c)]);
      }
    }
  });
}

}  // namespace

void AddHessian(std::span<const std::vector<float>> samples, int64_t k, ThreadPool& pool, std::vector<double>* h) {
  AddProducts(samples, k, samples, k, true, pool, h);
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

void AddCross(std::span<const std::vector<float>> a, int64_t n, std::span<const std::vector<float>> b, int64_t k, ThreadPool& pool,
              std::vector<double>* sum) {
  AddProducts(a, n, b, k, false, pool, sum);
}

}  // namespace hasten::calib
