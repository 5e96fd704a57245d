// The factor H = (U + I) D (U + I)' that GPTQ's feedback is made of.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/threads.h"

namespace hasten::passes {

struct Feedback {
  std::vector<float> u;    // [k][k] by column: u[c * k + j] = U_jc, j < c
  std::vector<float> d;    // [k]
};

// h: [k][k] symmetric and positive definite, overwritten (its lower triangle, in
// reversed order, becomes a Cholesky factor). False when it is not definite. Every
// element is one sum in a fixed order: no bit depends on the threads.
bool Factor(int64_t k, std::span<double> h, ThreadPool& pool, Feedback* out);

}  // namespace hasten::passes
