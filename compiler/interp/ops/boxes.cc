// non_max_suppression (ONNX NonMaxSuppression-11).
#include <algorithm>
#include <cmath>

#include "compiler/interp/ops/evals.h"

namespace hasten::interp {
namespace {

struct Box {
  double y0, x0, y1, x1;
};

Box ReadBox(const Tensor& boxes, int64_t at, bool centred) {
  const double a = boxes.At(at), b = boxes.At(at + 1), d = boxes.At(at + 2), e = boxes.At(at + 3);
  if (centred) return {b - e / 2, a - d / 2, b + e / 2, a + d / 2};
  return {std::min(a, d), std::min(b, e), std::max(a, d), std::max(b, e)};
}

double Overlap(const Box& a, const Box& b) {
  const double h = std::min(a.y1, b.y1) - std::max(a.y0, b.y0), w = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  if (!(h > 0) || !(w > 0)) return 0;
  const double common = h * w, sum = (a.y1 - a.y0) * (a.x1 - a.x0) + (b.y1 - b.y0) * (b.x1 - b.x0);
  return common / (sum - common);
}

}  // namespace

Status EvalNonMaxSuppression(EvalContext& c) {
  const Tensor &boxes = c.In(0), &scores = c.In(1);
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dim(2) != 4 || boxes.dim(0) != scores.dim(0) || boxes.dim(1) != scores.dim(2))
    return c.Error("boxes of dims ", DimsText(boxes.dims()), " and scores of ", DimsText(scores.dims()));
  int64_t most = 0;
  double overlap = 0, least = -INFINITY;
  if (c.Has(2)) {
    HST_ASSIGN_OR_RETURN(most, c.ScalarInt(2));
  }
  if (c.Has(3)) {
    HST_ASSIGN_OR_RETURN(overlap, c.ScalarFloat(3));
  }
  if (c.Has(4)) {
    HST_ASSIGN_OR_RETURN(least, c.ScalarFloat(4));
  }
  const bool centred = c.node.Int("center_point_box", 0) != 0;
  const int64_t n = boxes.dim(1);
  HST_RETURN_IF_ERROR(c.SpendPlain({scores.dim(0), scores.dim(1), n, std::clamp<int64_t>(most, 1, std::max<int64_t>(n, 1))}));
  std::vector<int64_t> picked;
  for (int64_t b = 0; b < scores.dim(0); ++b)
    for (int64_t k = 0; k < scores.dim(1); ++k) {
      const int64_t base = (b * scores.dim(1) + k) * n;
      std::vector<int64_t> order;
      for (int64_t i = 0; i < n; ++i)
        if (scores.At(base + i) > least) order.push_back(i);   // a NaN is above nothing
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return scores.At(base + i) > scores.At(base + j); });
      std::vector<Box> kept;
      for (int64_t i : order) {
        if (static_cast<int64_t>(kept.size()) >= most) break;
        const Box box = ReadBox(boxes, (b * n + i) * 4, centred);
        if (std::any_of(kept.begin(), kept.end(), [&](const Box& other) { return Overlap(box, other) > overlap; })) continue;
        kept.push_back(box);
        picked.insert(picked.end(), {b, k, i});
      }
    }
  c.out[0] = Tensor::From<int64_t>({static_cast<int64_t>(picked.size()) / 3, 3}, picked);
  return {};
}

}  // namespace hasten::interp
