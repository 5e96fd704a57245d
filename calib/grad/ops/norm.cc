// rms_norm and layer_norm. With the normalized x^ = (x - mean) r, r = 1 / sqrt(variance
// + eps) and u = g w: dx = r (u - x^ mean(u x^)) and, where the mean is taken out,
// - r mean(u); dw = sum g x^, db = sum g (Ba et al. 2016; Zhang and Sennrich 2019).
#include <cmath>

#include "calib/grad/backward.h"

namespace hasten::calib {
namespace {

struct Moments {
  double mean, inverse;
};

Status Norm(const BackwardArgs& a, bool layer) {
  const float *x = a.in[0].data<float>(), *w = a.in[1].data<float>();
  const int64_t n = a.in[1].elements(), rows = a.in[0].elements() / n;
  const double eps = a.node.Float("eps", 0), count = static_cast<double>(n);
  std::vector<Moments> moments(static_cast<size_t>(rows));
  a.pool.Run(rows, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float *v = x + r * n, *g = a.g + r * n;
      double mean = 0, square = 0, along = 0, level = 0;
      for (int64_t i = 0; layer && i < n; ++i) mean += static_cast<double>(v[i]);
      mean /= count;
      for (int64_t i = 0; i < n; ++i) square += (static_cast<double>(v[i]) - mean) * (static_cast<double>(v[i]) - mean);
      const double inverse = 1 / std::sqrt(square / count + eps);
      moments[static_cast<size_t>(r)] = {mean, inverse};
      if (!a.d[0]) continue;
      for (int64_t i = 0; i < n; ++i) {
        const double u = static_cast<double>(g[i]) * static_cast<double>(w[i]);
        along += u * (static_cast<double>(v[i]) - mean) * inverse;
        level += u;
      }
      along /= count, level = layer ? level / count : 0;
      for (int64_t i = 0; i < n; ++i) {
        const double u = static_cast<double>(g[i]) * static_cast<double>(w[i]), hat = (static_cast<double>(v[i]) - mean) * inverse;
        a.d[0][r * n + i] += static_cast<float>(inverse * (u - level - hat * along));
      }
    }
  });
  float *dw = a.d[1], *db = a.d.size() > 2 ? a.d[2] : nullptr;
  for (int64_t i = 0; (dw || db) && i < n; ++i) {
    double weight = 0, bias = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const Moments& m = moments[static_cast<size_t>(r)];
      weight += static_cast<double>(a.g[r * n + i]) * (static_cast<double>(x[r * n + i]) - m.mean) * m.inverse;
      bias += static_cast<double>(a.g[r * n + i]);
    }
    if (dw) dw[i] += static_cast<float>(weight);
    if (db) db[i] += static_cast<float>(bias);
  }
  return {};
}

}  // namespace

Status BackwardRmsNorm(const BackwardArgs& a) { return Norm(a, false); }
Status BackwardLayerNorm(const BackwardArgs& a) { return Norm(a, true); }

}  // namespace hasten::calib
