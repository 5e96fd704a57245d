"""Prints the figures that order_statistics_test.cc expects. Needs SciPy, which the tests do not.

    python3 tests/load/scipy_figures.py
"""
import numpy as np
from scipy import stats

LEVEL = 0.95
for n, q in [(5, .5), (29, .9), (40, .5), (40, .9), (59, .95), (298, .99), (299, .99), (300, .5), (1000, .9), (1000, .99), (5000, .999)]:
    # P(X_(r) >= quantile) = P(Bin(n, q) <= r - 1); P(X_(r) <= quantile) = P(Bin(n, q) >= r).
    high = next((r for r in range(1, n + 1) if stats.binom.cdf(r - 1, n, q) >= LEVEL), 0)
    low = max((r for r in range(1, n + 1) if stats.binom.sf(r - 1, n, q) >= LEVEL), default=0)
    value = int(np.quantile(np.arange(1, n + 1), q, method="inverted_cdf"))
    print(f"    {{{n}, {q}, {value}, {low}, {high}}},")
for k, n, p in [(0, 10, .3), (3, 10, .3), (36, 40, .9), (990, 1000, .99), (4990, 5000, .999), (25, 50, .5)]:
    print(f"    {{{k}, {n}, {p}, {stats.binom.cdf(k, n, p):.17g}}},")
for k, n in [(38, 40), (40, 40), (1, 30), (90, 100)]:
    low, high = stats.beta.ppf(1 - LEVEL, k, n - k + 1), 1 if k == n else stats.beta.ppf(LEVEL, k + 1, n - k)
    print(f"    {{{k}, {n}, {low:.12g}, {high:.12g}}},")
