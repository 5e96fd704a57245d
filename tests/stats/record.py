#!/usr/bin/env python3
"""Prints the figures that tests/stats compares with, from SciPy and statsmodels.

Not part of the tests' run: run it by hand (pip install scipy statsmodels) and put
its output into tests/stats/recorded.inc.
"""
import numpy as np
import scipy
import statsmodels
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests


def tango(n, b, w, margin):
    """Tango's score with the restricted maximum found numerically: no formula shared."""
    def loss(q):  # q = P(only candidate), P(only reference) = q + margin
        p = q + margin
        rest = 1 - p - q
        if min(p, q, rest) <= 0:
            return np.inf
        return -(b * np.log(p) + w * np.log(q) + (n - b - w) * np.log(rest))
    low, high = max(0, -margin) + 1e-12, (1 - margin) / 2 - 1e-12
    q = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-14}).x
    return (b - w - n * margin) / np.sqrt(n * (2 * q + margin * (1 - margin)))


def rows(name, values):
    print(f"inline constexpr double {name}[][{len(values[0])}] = {{")
    for v in values:
        print("    {" + ", ".join(repr(float(x)) for x in v) + "},")
    print("};")


def main():
    print("// Made by tests/stats/record.py with "
          f"SciPy {scipy.__version__} and statsmodels {statsmodels.__version__}.")
    rows("kNormalQuantile", [(p, stats.norm.ppf(p)) for p in (1e-10, 1e-4, 0.05, 0.3, 0.5, 0.8, 0.95, 0.999, 1 - 1e-9)])
    rows("kStudentQuantile", [(p, d, stats.t.ppf(p, d)) for p in (0.01, 0.05, 0.4, 0.95) for d in (1, 5, 29, 61, 1000)])
    rows("kBinomialCdf", [(k, n, p, stats.binom.cdf(k, n, p)) for k, n, p in
                          ((0, 1, .5), (3, 10, .5), (294, 299, .99), (298, 299, .99), (500, 1000, .5), (12, 4000, .01))])
    rows("kMcNemar", [(b, w, mcnemar([[0, b], [w, 0]], exact=True).pvalue) for b, w in
                      ((0, 0), (1, 0), (5, 12), (20, 20), (31, 12), (180, 120))])
    p = [0.01, 0.04, 0.03, 0.005, 0.5, 0.03]
    rows("kHolm", list(zip(p, multipletests(p, method="holm")[1])))
    rows("kTango", [(n, b, w, m, tango(n, b, w, m)) for n, b, w, m in
                    ((1000, 30, 20, 0.02), (1000, 30, 20, 0.0), (200, 3, 9, 0.01), (50, 10, 2, 0.3), (4000, 55, 44, -0.005))])
    # BCa of a mean over 40 skewed clusters; its bounds as SciPy finds them with many resamples.
    x = np.round(np.random.default_rng(7).gamma(2, 0.003, 40), 6)
    print("inline constexpr double kClusters[] = {" + ", ".join(repr(float(v)) for v in x) + "};")
    out = []
    for level in (0.05, 0.95):
        ci = stats.bootstrap((x,), np.mean, confidence_level=0.9, n_resamples=400000, method="BCa", batch=1000,
                             random_state=np.random.default_rng(1)).confidence_interval
        out.append((level, ci.low if level < 0.5 else ci.high))
    rows("kBca", out)
    rows("kStandardError", [(x.std(ddof=0) / np.sqrt(len(x)),)])


main()
