// The definition of norm. A sum over n values f(x[0]) .. f(x[n-1]) is
//   1. cut into segments of 512 values, the last one shorter;
//   2. in a segment, lane j of 16 starts at +0 and takes the values j, j + 16,
//      j + 32, ... in order: lane = lane + x (mean) or fma(x, x, lane) (squares);
//   3. lane[j] += lane[j + 8] for j < 8, then + 4, + 2, + 1: lane[0] is the segment;
//   4. sum(segments) = the only one, or sum(first ceil(n/2)) + sum(the others).
// Then, each operation rounded once, division and square root IEEE:
//   mean(n values) = sum / float(n)
//   rms:   y = (x * (1 / sqrt(mean(x^2) + eps))) * w
//   layer: d = x - mean(x);  y = (d * (1 / sqrt(mean(d^2) + eps))) * w + b
// Without w the product, without b the addition is left out.
#include "runtime/kernels/norm/rows.h"
#include "runtime/kernels/simd_scalar.h"

namespace hasten {
namespace {

// Sum over one segment of x - shift, or of its square.
float SegmentSum(const float* x, int64_t n, bool square, float shift) {
  float lane[16] = {};
  for (int64_t i = 0; i < n; ++i) {
    const float d = x[i] - shift;
    lane[i % 16] = square ? Fma(d, d, lane[i % 16]) : lane[i % 16] + d;
  }
  for (int half = 8; half >= 1; half /= 2)
    for (int j = 0; j < half; ++j) lane[j] += lane[j + half];
  return lane[0];
}

// Sum over the segments [begin, end) of x[0, n).
float Sum(const float* x, int64_t n, int64_t begin, int64_t end, bool square, float shift) {
  if (end - begin == 1) {
    const int64_t first = begin * kSumSegment;
    return SegmentSum(x + first, n - first < kSumSegment ? n - first : kSumSegment, square, shift);
  }
  const int64_t middle = begin + (end - begin + 1) / 2;
  return Sum(x, n, begin, middle, square, shift) + Sum(x, n, middle, end, square, shift);
}

float Mean(const float* x, int64_t n, bool square, float shift) {
  return Sum(x, n, 0, (n + kSumSegment - 1) / kSumSegment, square, shift) / static_cast<float>(n);
}

void NormGroup(const NormArgs& a, const float* x, float* out) {
  const float mean = a.kind == NormKind::kLayer ? Mean(x, a.cols, false, 0.0f) : 0.0f;
  const float inverse = 1.0f / Sqrt(Mean(x, a.cols, true, mean) + a.eps);
  for (int64_t i = 0; i < a.cols; ++i) {
    float y = (x[i] - mean) * inverse;
    if (a.w) y = y * a.w[i];
    if (a.b) y = y + a.b[i];
    out[i] = y;
  }
}

void Run(const NormArgs& a, int64_t begin, int64_t end, std::byte*) {
  for (int64_t row = begin; row < end; ++row)
    for (int64_t g = 0; g < a.groups; ++g)
      NormGroup(a, a.x + row * a.x_stride + g * a.cols, a.out + row * a.out_stride + g * a.cols);
}

}  // namespace

const Kernel<NormArgs> kNormRef = {"norm_scalar", Isa::kScalar, nullptr, NormTiles, NormScratch, Run};

}  // namespace hasten
