// linear, the specification. out[m, n] = (sum over K) + bias[n].
//
// Segments. K is cut into segments of 512 elements, the last one shorter. The
// sums of the segments are combined by recursive halving:
//   Sum(1 segment) = it;  Sum(n) = Sum(the first n - floor(n/2)) + Sum(the rest)
// one fp32 addition each. Where the rows of x have residuals, a residual's sum, made
// the same way, is added to its row's. The bias, where there is one, is added last.
//
// Integer weights, w = s_w * (code - zero), activations x = s_x * q by groups of
// `ga` (32, 64, 128, 256 or 512 and a divisor of the weights' group, or all of
// K). A run is `ga` elements, the last one shorter; where ga >= K there is one
// run and one segment, however long. Within a segment, acc = +0, then run by run
//   dot = sum of q * (code - zero), an exact int32
//   acc = fma(float(dot), s_x * s_w, acc)
// with s_x * s_w rounded to fp32 and float(dot) to nearest even (it is exact up
// to 2^24, hence always where ga <= 512). With a scale per channel every run has
// the same s_w.
//
// Float weights, fp16 widened exactly. x and W are taken as padded with +0 to a
// multiple of 16 elements. A segment has 16 lanes, each +0 at first; element k
// goes to lane k mod 16, in ascending k: lane = fma(x[k], w[k], lane). Then
//   lane[j] += lane[j + 8] for j < 8, lane[j] += lane[j + 4] for j < 4,
//   lane[j] += lane[j + 2] for j < 2, and the segment is lane[0] + lane[1].
//
// Nothing depends on M, on a row's place in x, or on tiles and threads.
#include <cmath>

#include "runtime/kernels/linear/plan.h"
#include "runtime/kernels/linear/rows.h"

namespace hasten {
namespace {

constexpr int kLanes = 16;

// Sum(first, count) by recursive halving; depth is log2 of the segments.
template <class SegmentFn>
float SumSegments(int64_t first, int64_t count, const SegmentFn& segment) {
  if (count == 1) return segment(first);
  const int64_t head = count - count / 2;
  const float a = SumSegments(first, head, segment);
  return a + SumSegments(first + head, count - head, segment);
}

// One row of x against one row of W, codes already less the zero-point.
float IntegerDot(const LinearArgs& a, const LinearPlan& p, int64_t m, const int8_t* codes, const float* scales) {
  const int8_t* q = a.xq.q + m * a.xq.q_stride;
  const float* sx = a.xq.scale + m * a.xq.g_stride;
  return SumSegments(0, p.segments, [&](int64_t s) {
    const int64_t end = a.k < (s + 1) * p.segment ? a.k : (s + 1) * p.segment;
    float acc = 0.0f;
    for (int64_t k = s * p.segment; k < end; k += p.run) {
      const int64_t stop = k + p.run < end ? k + p.run : end;
      int32_t dot = 0;
      for (int64_t i = k; i < stop; ++i) dot += int32_t{q[i]} * codes[i];
      const float scale = sx[k / p.run] * scales[k / p.layout.group];
      acc = std::fma(static_cast<float>(dot), scale, acc);
    }
    return acc;
  });
}

float FloatDot(const LinearArgs& a, const LinearPlan& p, int64_t m, const float* w) {
  const float* x = a.x + m * a.x_stride;
  return SumSegments(0, p.segments, [&](int64_t s) {
    const int64_t end = a.k < (s + 1) * kSegment ? a.k : (s + 1) * kSegment;
    float lane[kLanes] = {};
    for (int64_t k = s * kSegment; k < end; k += kLanes)
      for (int j = 0; j < kLanes; ++j) lane[j] = std::fma(k + j < end ? x[k + j] : 0.0f, k + j < end ? w[k + j] : 0.0f, lane[j]);
    for (int half = kLanes / 2; half > 0; half /= 2)
      for (int j = 0; j < half; ++j) lane[j] += lane[j + half];
    return lane[0];
  });
}

}  // namespace

void LinearRunScalar(const LinearArgs& a, int64_t begin, int64_t end, std::byte* scratch) {
  const LinearPlan p = PlanLinear(a);
  const bool integer = GetScheme(a.scheme).integer;
  for (int64_t t = begin; t < end; ++t) {
    // The tiles are those of the other rows, so that callers may mix them.
    const bool small = p.rows <= kSmallM;
    const int64_t blocks = small ? p.blocks_per_tile : kPanelBlocks;
    const int64_t m0 = small ? 0 : t % p.chunks * p.chunk, n0 = t / p.chunks * blocks * kBlockRows;
    const int64_t m1 = m0 + p.chunk < p.rows ? m0 + p.chunk : p.rows;
    const int64_t n1 = n0 + blocks * kBlockRows < a.n ? n0 + blocks * kBlockRows : a.n;
    for (int64_t n = n0; n < n1; ++n) {
      float* w = reinterpret_cast<float*>(scratch);
      int8_t* codes = reinterpret_cast<int8_t*>(scratch);
      float* scales = reinterpret_cast<float*>(scratch + (a.k + 63) / 64 * 64);
      if (integer) UnpackCodes(a.scheme, a.n, a.k, a.w, n, codes, scales);
      else UnpackRow(a.scheme, a.n, a.k, a.w, n, w);
      for (int64_t m = m0; m < m1; m += a.xq.parts) {
        float sum = integer ? IntegerDot(a, p, m, codes, scales) : FloatDot(a, p, m, w);
        if (a.xq.parts > 1) sum += IntegerDot(a, p, m + 1, codes, scales);
        a.out[m / a.xq.parts * a.out_stride + n] = a.bias ? sum + a.bias[n] : sum;
      }
    }
  }
}

}  // namespace hasten
