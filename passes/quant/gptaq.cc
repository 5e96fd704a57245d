#include "passes/quant/gptaq.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "compiler/interp/gemm.h"
#include "passes/quant/cholesky.h"

namespace hasten::passes {
namespace {

// y [n][m] = a [n][k] b [k][m], a tile of rows at a time: its size is fixed, since a
// product's bits depend on it.
template <class Take>
void Product(int64_t n, int64_t k, int64_t m, const float* a, const float* b, ThreadPool& pool, const Take& take) {
  constexpr int64_t kTile = 64;
  pool.Run((n + kTile - 1) / kTile, 1, [&](int64_t begin, int64_t end, int) {
    std::vector<float> part(static_cast<size_t>(kTile * m));
    for (int64_t t = begin; t < end; ++t) {
      const int64_t first = t * kTile, count = std::min(kTile, n - first);
      interp::GemmSerial({a + first * k, b, part.data(), count, m, k, k, m, m, false, false});
      take(first * m, std::span<const float>(part.data(), static_cast<size_t>(count * m)));
    }
  });
}

std::vector<float> Floats(std::span<const double> v) { return {v.begin(), v.end()}; }

}  // namespace

Status CorrectForInputs(int64_t n, int64_t k, std::span<double> hessian, std::span<double> cross, std::span<const double> residual,
                        const GptaqOptions& options, ThreadPool& pool, std::span<float> w) {
  if (w.size() != static_cast<size_t>(n * k) || (!residual.empty() && residual.size() != w.size()) || hessian.size() != static_cast<size_t>(k * k) || cross.size() != hessian.size())
    return UsageError("[gptaq] [", n, ", ", k, "] given ", w.size(), " weights, ", hessian.size(), " elements of H and ",
                      cross.size(), " of C");
  double mean = 0;
  for (int64_t i = 0; i < k; ++i) mean += hessian[static_cast<size_t>(i * k + i)] / static_cast<double>(k);
  if (!std::isfinite(mean)) return BadInput("the observed inputs are not finite");
  if (mean == 0) return {};   // no input ever came
  for (int64_t i = 0; i < k; ++i) hessian[static_cast<size_t>(i * k + i)] += options.damping * mean;
  if (!Cholesky(k, hessian, pool))
    return BadInput("[gptaq] the inputs' Hessian is not positive definite with a damping of ", options.damping);
  const auto strength = static_cast<float>(options.strength);
  if (residual.empty() && n >= k) {   // C H^-1 first: that has fewer rows
    Solve(k, hessian, k, cross, pool);
    Product(n, k, k, w.data(), Floats(cross).data(), pool, [&](int64_t at, std::span<const float> part) {
      for (size_t i = 0; i < part.size(); ++i) w[static_cast<size_t>(at) + i] += strength * part[i];
    });
    return {};
  }
  std::vector<double> change(residual.begin(), residual.end());
  change.resize(w.size());
  Product(n, k, k, w.data(), Floats(cross).data(), pool, [&](int64_t at, std::span<const float> part) {
    for (size_t i = 0; i < part.size(); ++i) change[static_cast<size_t>(at) + i] += static_cast<double>(part[i]);
  });
  Solve(k, hessian, n, change, pool);
  for (size_t i = 0; i < w.size(); ++i) w[i] += static_cast<float>(options.strength * change[i]);
  return {};
}

}  // namespace hasten::passes
