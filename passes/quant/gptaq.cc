#include "passes/quant/gptaq.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "compiler/interp/gemm.h"
#include "passes/quant/cholesky.h"

namespace hasten::passes {

Status CorrectForInputs(int64_t n, int64_t k, std::span<double> hessian, std::span<double> cross, std::span<double> residual,
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
  Solve(k, hessian, k, cross, pool);
  if (!residual.empty()) Solve(k, hessian, n, residual, pool);
  std::vector<float> m(cross.size());
  std::transform(cross.begin(), cross.end(), m.begin(), [&](double v) { return static_cast<float>(options.strength * v); });
  constexpr int64_t kTile = 64;   // rows at once; fixed, since a product's bits depend on its sizes
  pool.Run((n + kTile - 1) / kTile, 1, [&](int64_t begin, int64_t end, int) {
    std::vector<float> part(static_cast<size_t>(kTile * k));
    for (int64_t t = begin; t < end; ++t) {
      float* rows = w.data() + t * kTile * k;
      const int64_t count = std::min(kTile, n - t * kTile);
      interp::GemmSerial({rows, m.data(), part.data(), count, k, k, k, k, k, false, false});
      for (int64_t i = 0; i < count * k; ++i) rows[i] += part[static_cast<size_t>(i)];
      if (residual.empty()) continue;
      const double* more = residual.data() + t * kTile * k;
      for (int64_t i = 0; i < count * k; ++i) rows[i] += static_cast<float>(options.strength * more[i]);
    }
  });
  return {};
}

}  // namespace hasten::passes
