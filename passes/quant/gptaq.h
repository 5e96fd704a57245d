// Asymmetric calibration: the weights to quantize are those that give, for the
// inputs x^ that the quantized model has at this linear, what the original computes
// from its own inputs x, in place of W itself.
//   Li et al. 2025, "GPTAQ", eq. 4: the objective || W X - W^ X^ ||^2;
//   Arai and Ichikawa 2025, "Quantization Error Propagation", eq. 5: its minimum over
//   unquantized W^, W + W C H^-1 with C = sum (x - x^) x^' and H = sum x^ x^', and
//   the strength, which keeps the correction from following the samples too closely.
// Where the result is added to a residual stream, the stream's own error belongs to it:
// || W X + R - W^ X^ - R^ ||^2 has its minimum at W + (W C + G) H^-1, G = sum (r - r^) x^'.
// About this minimum the loss is that of H again, so that any quantizer follows.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/status.h"
#include "runtime/base/threads.h"

namespace hasten::passes {

struct GptaqOptions {
  // 0: none, 1: the minimum, which follows the samples too closely. stories260k, 64 and
  // 256 samples of 256, KLD at 0 / 0.5 / 0.75 / 1: 0.172 / 0.131 / 0.121 / 0.143 and
  // - / - / 0.127 / 0.128.
  double strength = 0.75;
  double damping = 0.05;   // of H's mean diagonal, added to each
  // The strength for weights of 8 bits, whose rounding costs less than a correction by few
  // samples does harm. SmolLM2 in 138 MB, 5 samples of 512, KLD at 0 / 0.25 / 0.75:
  // 0.0042 / 0.0039 / 0.0049, with residuals of activations 0.0025 / 0.0023 / 0.0028.
  double strength_int8 = 0.25;
};

// w: [n][k] += strength (W C + G) H^-1. hessian, cross (C): [k][k], both overwritten;
// residual (G): [n][k], or empty. The same bits with any number of threads. kUsage for sizes that do not fit, kBadInput when
// H is not positive definite as damped.
Status CorrectForInputs(int64_t n, int64_t k, std::span<double> hessian, std::span<double> cross, std::span<const double> residual,
                        const GptaqOptions& options, ThreadPool& pool, std::span<float> w);

}  // namespace hasten::passes
