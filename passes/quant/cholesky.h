// The Cholesky factor of a Hessian and the systems it solves; the factor
// H = (U + I) D (U + I)' that GPTQ's feedback is made of. Every element is one sum
// in a fixed order: no bit depends on the threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/threads.h"

namespace hasten::passes {

// h: [k][k] symmetric and positive definite; L with H = L L' takes its lower
// triangle's place. False when it is not definite.
bool Cholesky(int64_t k, std::span<double> h, ThreadPool& pool);

// The rows of b, [rows][k], to b H^-1; `factor` as Cholesky leaves it.
void Solve(int64_t k, std::span<const double> factor, int64_t rows, std::span<double> b, ThreadPool& pool);

struct Feedback {
  std::vector<float> u;    // [k][k] by column: u[c * k + j] = U_jc, j < c
  std::vector<float> d;    // [k]
};

// h: [k][k] symmetric and positive definite, overwritten. False when it is not definite.
bool Factor(int64_t k, std::span<double> h, ThreadPool& pool, Feedback* out);

}  // namespace hasten::passes
