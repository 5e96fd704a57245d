#include "passes/quant/cholesky.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "passes/quant/wide.h"

namespace hasten::passes {
namespace {

// kWide systems side by side: b [count][k] is taken through L y = b, L' x = y.
constexpr int64_t kWide = wide::kDoubles;

void SolveWide(int64_t k, const double* l, int64_t count, double* b, std::vector<double>& lanes) {
  lanes.assign(static_cast<size_t>(k * kWide), 0.0);
  for (int64_t w = 0; w < count; ++w)
    for (int64_t i = 0; i < k; ++i) lanes[static_cast<size_t>(i * kWide + w)] = b[w * k + i];
  for (int64_t i = 0; i < k; ++i) {
    double sum[kWide] = {};
    wide::Dot(i, l + i * k, lanes.data(), sum);
    for (int64_t w = 0; w < kWide; ++w) {
      double& y = lanes[static_cast<size_t>(i * kWide + w)];
      y = (y - sum[w]) / l[i * k + i];
    }
  }
  for (int64_t i = k - 1; i >= 0; --i) {
    double x[kWide];
    for (int64_t w = 0; w < kWide; ++w) x[w] = -(lanes[static_cast<size_t>(i * kWide + w)] /= l[i * k + i]);
    wide::Outer(i, l + i * k, x, lanes.data());
  }
  for (int64_t w = 0; w < count; ++w)
    for (int64_t i = 0; i < k; ++i) b[w * k + i] = lanes[static_cast<size_t>(i * kWide + w)];
}

}  // namespace

bool Cholesky(int64_t k, std::span<double> h, ThreadPool& pool) {
  constexpr int64_t kGrain = 32;   // rows of one column are short work
  for (int64_t c = 0; c < k; ++c) {
    double* row = h.data() + c * k;
    const double pivot = row[c] - wide::Sum(c, row, row);
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    row[c] = std::sqrt(pivot);
    const double inverse = 1 / row[c];
    pool.Run(k - c - 1, kGrain, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = c + 1 + begin; r < c + 1 + end; ++r) {
        double* lower = h.data() + r * k;
        lower[c] = (lower[c] - wide::Sum(c, lower, row)) * inverse;
      }
    });
  }
  return true;
}

void Solve(int64_t k, std::span<const double> factor, int64_t rows, std::span<double> b, ThreadPool& pool) {
  pool.Run((rows + kWide - 1) / kWide, 1, [&](int64_t begin, int64_t end, int) {
    std::vector<double> lanes;
    for (int64_t t = begin; t < end; ++t)
      SolveWide(k, factor.data(), std::min(kWide, rows - t * kWide), b.data() + t * kWide * k, lanes);
  });
}

bool Factor(int64_t k, std::span<double> h, ThreadPool& pool, Feedback* out) {
  // A Cholesky factor L of H with rows and columns reversed, L[K-1-r][K-1-c] = R_rc:
  // then H = R R' with R upper triangular, U_jc = R_jc / R_cc and D_cc = R_cc^2.
  // Reversing a row-major square matrix both ways reverses its elements.
  std::reverse(h.begin(), h.end());
  if (!Cholesky(k, h, pool)) return false;
  constexpr int64_t kGrain = 32;
  out->u.assign(static_cast<size_t>(k * k), 0.0f);
  out->d.resize(static_cast<size_t>(k));
  pool.Run(k, kGrain, [&](int64_t begin, int64_t end, int) {
    for (int64_t c = begin; c < end; ++c) {
      const int64_t m = k - 1 - c;
      const double diagonal = h[static_cast<size_t>(m * k + m)];
      out->d[static_cast<size_t>(c)] = static_cast<float>(diagonal * diagonal);
      for (int64_t j = 0; j < c; ++j)
        out->u[static_cast<size_t>(c * k + j)] = static_cast<float>(h[static_cast<size_t>((k - 1 - j) * k + m)] / diagonal);
    }
  });
  return true;
}

}  // namespace hasten::passes
