// The distributions that the gate's tests need, in double. Checked against SciPy
// (tests/stats/record.py). Not a general library: arguments outside the stated
// domains are a bug of the caller.
#pragma once

#include <cstdint>

namespace hasten::stats {

double NormalCdf(double x);
// p in (0, 1). Wichura 1988, AS 241 (PPND16): relative error 1e-16.
double NormalQuantile(double p);
// Regularized incomplete beta function I_x(a, b); a, b > 0, x in [0, 1].
double IncompleteBeta(double a, double b, double x);
double StudentCdf(double t, double degrees);
// p in (0, 1), by bisection of the CDF.
double StudentQuantile(double p, double degrees);
// P(X <= k) for X ~ Binomial(n, p); 0 for k < 0.
double BinomialCdf(int64_t k, int64_t n, double p);

}  // namespace hasten::stats
