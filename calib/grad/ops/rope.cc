// rope turns pairs by an angle (and scales them): the gradient turns back.
#include <cmath>

#include "calib/grad/backward.h"

namespace hasten::calib {

Status BackwardRope(const BackwardArgs& a) {
  if (!a.d[0]) return {};
  const int64_t heads = a.node.Int("heads", 0), d = a.node.Int("head_dim", 0), r = a.node.Int("rotary_dim", 0), half = r / 2;
  const bool interleaved = a.node.Int("interleaved", 0) != 0;
  const float scale = static_cast<float>(a.node.Float("scale", 1.0));
  a.pool.Run(a.out.dim(0) * a.out.dim(1), 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      const double position = static_cast<double>(a.in[1].data<int64_t>()[row]);
      const float* g = a.g + row * heads * d;
      float* to = a.d[0] + row * heads * d;
      for (int64_t i = 0; i < half; ++i) {
        const double angle = position * static_cast<double>(a.in[2].data<float>()[i]);
        const float c = static_cast<float>(std::cos(angle)) * scale, s = static_cast<float>(std::sin(angle)) * scale;
        const int64_t i0 = interleaved ? 2 * i : i, i1 = interleaved ? 2 * i + 1 : i + half;
        for (int64_t h = 0; h < heads; ++h) {
          to[h * d + i0] += g[h * d + i0] * c + g[h * d + i1] * s;
          to[h * d + i1] += g[h * d + i1] * c - g[h * d + i0] * s;
        }
      }
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = r; i < d; ++i) to[h * d + i] += g[h * d + i];
    }
  });
  return {};
}

}  // namespace hasten::calib
