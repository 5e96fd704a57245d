// Coordinate descent on what a quantizer left: with all codes known, each code in turn
// takes the value of least loss, trace((W - W^) H (W - W^)'), given all the others and
// the scales. The loss never rises. GPTQ decides a code with the later ones still free;
// this pass corrects what their rounding changed.
//   Chee et al. 2023, "QuIP", supplement (the "greedy" updates after LDLQ).
#pragma once

#include <cstdint>
#include <span>

#include "passes/quant/rtn.h"
#include "runtime/base/threads.h"

namespace hasten::passes {

struct DescentOptions {
  double damping = 0.01;   // as GPTQ's
  // Over all codes. stories260k, 96 samples of 256, KLD at 0 / 2: 0.117 / 0.113. Scales at
  // the minimum of their quadratic before each round gave 0.115.
  int rounds = 2;
  bool fractions = false;   // leave in `fraction` what is between each code and its minimum, all others given
};

// w: [n][k]; hessian: [k][k], symmetric, the sum of x x'; codes: of w, changed in
// place. The same codes with any number of threads. kUsage for sizes that do not fit.
Status Descend(Scheme scheme, int64_t n, int64_t k, std::span<const float> w, std::span<const double> hessian,
               const DescentOptions& options, ThreadPool& pool, OwnedCodes* codes);

}  // namespace hasten::passes
