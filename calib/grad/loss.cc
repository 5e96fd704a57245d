#include "calib/grad/loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "compiler/interp/fast_math.h"

namespace hasten::calib {
namespace {

// f(row) for each row on the threads; the mean, summed in the rows' order.
template <class F>
double MeanOfRows(int64_t count, ThreadPool& pool, const F& f) {
  std::vector<double> losses(static_cast<size_t>(count));
  pool.Run(count, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) losses[static_cast<size_t>(r)] = f(r);
  });
  double sum = 0;
  for (const double l : losses) sum += l;
  return sum / static_cast<double>(count);
}

struct Partition {
  float top;
  double sum;   // of exp(x - top)
};

Partition Sum(const float* x, int64_t n) {
  Partition z{*std::max_element(x, x + n), 0};
  for (int64_t i = 0; i < n; ++i) z.sum += static_cast<double>(interp::FastExp(x[i] - z.top));
  return z;
}

// SplitMix64 (Steele et al. 2014, figure 17), to [0, 1).
double Uniform(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return static_cast<double>((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

}  // namespace

double KlDivergence(int64_t count, int64_t n, const float* original, float* rows, ThreadPool& pool) {
  const float share = 1 / static_cast<float>(count);
  return MeanOfRows(count, pool, [&](int64_t r) {
    const float* t = original + r * n;
    float* s = rows + r * n;
    const Partition zt = Sum(t, n), zs = Sum(s, n);
    const float it = static_cast<float>(1 / zt.sum), is = static_cast<float>(1 / zs.sum);
    double loss = std::log(zs.sum) + static_cast<double>(zs.top) - std::log(zt.sum) - static_cast<double>(zt.top);
    for (int64_t i = 0; i < n; ++i) {
      const float p = interp::FastExp(t[i] - zt.top) * it, q = interp::FastExp(s[i] - zs.top) * is;
      loss += static_cast<double>(p) * (static_cast<double>(t[i]) - static_cast<double>(s[i]));
      s[i] = (q - p) * share;
    }
    return loss;
  });
}

double RelativeError(int64_t count, int64_t n, const float* original, float* rows, ThreadPool& pool) {
  return MeanOfRows(count, pool, [&](int64_t r) {
    const float* t = original + r * n;
    float* s = rows + r * n;
    double error = 0, size = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double d = static_cast<double>(s[i]) - static_cast<double>(t[i]);
      error += d * d, size += static_cast<double>(t[i]) * static_cast<double>(t[i]);
    }
    const double scale = size > 0 ? 2 / (size * static_cast<double>(count)) : 0;
    for (int64_t i = 0; i < n; ++i) s[i] = static_cast<float>((static_cast<double>(s[i]) - static_cast<double>(t[i])) * scale);
    return size > 0 ? error / size : 0.0;
  });
}

void ScoreOfDrawnLabels(int64_t count, int64_t n, uint64_t seed, float* rows, ThreadPool& pool) {
  pool.Run(count, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      float* s = rows + r * n;
      const Partition z = Sum(s, n);
      double left = Uniform(seed + static_cast<uint64_t>(r));
      int64_t label = n - 1;
      for (int64_t i = 0; i < n; ++i) {
        s[i] = static_cast<float>(static_cast<double>(interp::FastExp(s[i] - z.top)) / z.sum);
        if (left >= 0 && (left -= static_cast<double>(s[i])) < 0) label = i;
      }
      s[label] -= 1;
    }
  });
}

}  // namespace hasten::calib
