// stft (ONNX STFT-17) and mel_weight_matrix (17), by definition.
#include <cmath>
#include <complex>
#include <numbers>

#include "compiler/interp/ops/doubles.h"
#include "compiler/interp/ops/evals.h"
#include "compiler/ir/infer.h"

namespace hasten::interp {
namespace {

using Complex = std::complex<double>;

constexpr int64_t kMostPoints = int64_t{1} << 20;   // the sums take its square

std::vector<Complex> Transform(const std::vector<Complex>& x, int64_t bins) {
  const int64_t n = static_cast<int64_t>(x.size());
  std::vector<Complex> out;
  for (int64_t k = 0; k < bins; ++k) {
    Complex sum = 0;
    for (int64_t i = 0; i < n; ++i) {  // the angle reduced in integers first
      const double angle = -2 * std::numbers::pi * static_cast<double>(i * k % n) / static_cast<double>(n);
      sum += x[static_cast<size_t>(i)] * std::polar(1.0, angle);
    }
    out.push_back(sum);
  }
  return out;
}

}  // namespace

Status EvalStft(EvalContext& c) {
  const Tensor& x = c.In(0);
  if (x.rank() != 3 && x.rank() != 2) return c.Error("needed [B,L,1] or [B,L,2], came dims ", DimsText(x.dims()));
  const int64_t parts = x.rank() == 3 ? x.dim(2) : 1, length = x.dim(1);
  if (parts != 1 && parts != 2) return c.Error("needed [B,L,1] or [B,L,2], came dims ", DimsText(x.dims()));
  HST_ASSIGN_OR_RETURN(const int64_t step, c.ScalarInt(1));
  int64_t frame = c.Has(2) ? c.In(2).elements() : length;
  if (c.Has(3)) {
    HST_ASSIGN_OR_RETURN(frame, c.ScalarInt(3));
  }
  if (step < 1 || frame < 1 || frame > length || frame > kMostPoints || (c.Has(2) && c.In(2).elements() != frame))
    return c.Error("frames of ", frame, " every ", step, " of ", length, " samples");
  const int64_t frames = (length - frame) / step + 1, bins = c.node.Int("onesided", 1) != 0 ? frame / 2 + 1 : frame;
  const std::vector<int64_t> dims{x.dim(0), frames, bins, 2};
  HST_RETURN_IF_ERROR(RoomForDoubles(c, dims));
  HST_RETURN_IF_ERROR(c.SpendPlain({x.dim(0), frames, bins, frame, 8}));   // a sine and a cosine each
  std::vector<double> y;
  std::vector<Complex> line(static_cast<size_t>(frame));
  for (int64_t b = 0; b < x.dim(0); ++b)
    for (int64_t f = 0; f < frames; ++f) {
      for (int64_t i = 0; i < frame; ++i) {
        const int64_t at = (b * length + f * step + i) * parts;
        line[static_cast<size_t>(i)] = Complex(x.At(at), parts == 2 ? x.At(at + 1) : 0.0) * (c.Has(2) ? c.In(2).At(i) : 1.0);
      }
      for (const Complex& v : Transform(line, bins)) y.insert(y.end(), {v.real(), v.imag()});
    }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, x.dtype(), dims, y));
  return {};
}

Status EvalMelWeightMatrix(EvalContext& c) {
  HST_ASSIGN_OR_RETURN(const int64_t mels, c.ScalarInt(0));
  HST_ASSIGN_OR_RETURN(const int64_t points, c.ScalarInt(1));
  HST_ASSIGN_OR_RETURN(const int64_t rate, c.ScalarInt(2));
  HST_ASSIGN_OR_RETURN(const double lower, c.ScalarFloat(3));
  HST_ASSIGN_OR_RETURN(const double upper, c.ScalarFloat(4));
  const DType to = ir::OnnxDType(c.node.Int("output_datatype", 1));
  if (to == DType::kInvalid) return Unsupported("[mel_weight_matrix] output_datatype (node \"", c.node.loc, "\")");
  if (mels < 1 || mels > kMostPoints || points < 1 || points > kMostPoints || rate < 1 || !(lower >= 0) || !(upper >= lower) || upper > 1e9)
    return c.Error(mels, " bins of ", points, " points at ", rate, " Hz from ", lower, " to ", upper);
  const int64_t rows = points / 2 + 1;
  HST_RETURN_IF_ERROR(RoomForDoubles(c, {rows, mels}));
  HST_RETURN_IF_ERROR(c.SpendPlain({rows, mels}));
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = mel(lower), width = (mel(upper) - low) / static_cast<double>(mels + 2);
  std::vector<int64_t> edge;
  for (int64_t i = 0; i < mels + 2; ++i) {
    const double hertz = 700 * (std::pow(10, (static_cast<double>(i) * width + low) / 2595) - 1);
    edge.push_back(static_cast<int64_t>(std::floor(static_cast<double>(points + 1) * hertz / static_cast<double>(rate))));
    if (edge.back() < 0 || edge.back() > rows) return c.Error("an edge at ", hertz, " Hz lies beyond the spectrum");
  }
  std::vector<double> y(static_cast<size_t>(rows * mels), 0);
  for (int64_t i = 0; i < mels; ++i) {
    const int64_t from = edge[static_cast<size_t>(i)], centre = edge[static_cast<size_t>(i + 1)], end = edge[static_cast<size_t>(i + 2)];
    for (int64_t j = from; j <= centre && j < rows; ++j)
      y[static_cast<size_t>(j * mels + i)] = from == centre ? 1 : static_cast<double>(j - from) / static_cast<double>(centre - from);
    for (int64_t j = centre; j < end && j < rows; ++j)
      y[static_cast<size_t>(j * mels + i)] = static_cast<double>(end - j) / static_cast<double>(end - centre);
  }
  HST_ASSIGN_OR_RETURN(c.out[0], FromDoubles(c, to, {rows, mels}, y));
  return {};
}

}  // namespace hasten::interp
