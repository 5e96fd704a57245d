// The inner loops of calibrated quantizers, compiled for each instruction set. They
// are products and sums in the order that is written, never contracted (the build's
// -ffp-contract=off), so that every instruction set gives the same bits.
#pragma once

#include <cstdint>

namespace hasten::passes::wide {

constexpr int64_t kLanes = 16;    // fp32 rows side by side: one vector of AVX-512, a cache line
constexpr int64_t kDoubles = 8;   // fp64 the same

// acc[lane] += a[j] * x[j][lane], j ascending.
void Dot(int64_t n, const float* a, const float* x, float* acc);
void Dot(int64_t n, const double* a, const double* x, double* acc);
// y[j][lane] += a[j] * x[lane].
void Outer(int64_t n, const float* a, const float* x, float* y);
void Outer(int64_t n, const double* a, const double* x, double* y);
// The sum of a[j] * b[j]: in eight lanes by j mod 8 of the whole eights, the rest first.
double Sum(int64_t n, const double* a, const double* b);

}  // namespace hasten::passes::wide
