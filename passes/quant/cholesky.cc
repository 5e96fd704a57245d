#include "passes/quant/cholesky.h"

#include <algorithm>
#include <cmath>

namespace hasten::passes {
namespace {

// Eight sums side by side: a fixed order that vectorizes without reassociation.
double Dot(const double* a, const double* b, int64_t n) {
  double lanes[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int64_t j = 0; j < 8; ++j) lanes[j] += a[i + j] * b[i + j];
  double sum = 0;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

bool Factor(int64_t k, std::span<double> h, ThreadPool& pool, Feedback* out) {
  // A Cholesky factor L of H with rows and columns reversed, L[K-1-r][K-1-c] = R_rc:
  // then H = R R' with R upper triangular, U_jc = R_jc / R_cc and D_cc = R_cc^2.
  // Reversing a row-major square matrix both ways reverses its elements.
  std::reverse(h.begin(), h.end());
  constexpr int64_t kGrain = 32;   // rows of one column are short work
  for (int64_t c = 0; c < k; ++c) {
    double* row = h.data() + c * k;
    const double pivot = row[c] - Dot(row, row, c);
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    row[c] = std::sqrt(pivot);
    const double inverse = 1 / row[c];
    pool.Run(k - c - 1, kGrain, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = c + 1 + begin; r < c + 1 + end; ++r) {
        double* lower = h.data() + r * k;
        lower[c] = (lower[c] - Dot(lower, row, c)) * inverse;
      }
    });
  }
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
