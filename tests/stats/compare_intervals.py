#!/usr/bin/env python3
"""Which interval of a mean over few documents errs least at the margin: how often an
artifact exactly at it passes a one-sided 5% test, by simulation. By hand; docs/gate.md
has the figures. simulation_test.cc holds the one that was chosen to account.

    compare_intervals.py TRIALS DOCUMENTS ...
"""
import sys

import numpy as np
from scipy import stats

SPREAD, POSITIONS, ALPHA, RESAMPLES = 0.3, 255, 0.05, 1000   # as in simulation_test.cc


def documents(random, n):
    level = np.exp(SPREAD * random.standard_normal(n) - SPREAD ** 2 / 2)
    return level * random.gamma(POSITIONS, 1 / POSITIONS, n)


def upper_bounds(random, x):
    n = len(x)
    mean, error = x.mean(), x.std(ddof=1) / np.sqrt(n)
    y = x[random.integers(0, n, (RESAMPLES, n))]
    means, errors = y.mean(1), y.std(1, ddof=1) / np.sqrt(n)
    ordered, ranks = np.sort(means), np.arange(RESAMPLES)
    t = stats.t.ppf(1 - ALPHA, n - 1)
    wide = t * np.sqrt(n / (n - 1))   # Hesterberg's expansion
    share = (np.searchsorted(ordered, mean) + np.searchsorted(ordered, mean, "right")) / 2 / RESAMPLES
    bias = stats.norm.ppf(np.clip(share, 0.5 / RESAMPLES, 1 - 0.5 / RESAMPLES))
    acceleration = ((x - mean) ** 3).sum() / (6 * ((x - mean) ** 2).sum() ** 1.5)
    z = bias + wide
    bca = stats.norm.cdf(bias + z / (1 - acceleration * z))
    return {"Student's t": mean + t * error,
            "percentile, expanded": np.interp(stats.norm.cdf(wide) * (RESAMPLES - 1), ranks, ordered),
            "BCa, expanded": np.interp(bca * (RESAMPLES - 1), ranks, ordered),
            "bootstrap-t": mean - np.quantile((means - mean) / errors, ALPHA) * error,
            "bootstrap-t of the logarithm": mean * np.exp(-np.quantile(np.log(means / mean) * means / errors, ALPHA) * error / mean)}


def main():
    trials, random = int(sys.argv[1]), np.random.default_rng(1)
    for n in map(int, sys.argv[2:]):
        passed = {}
        for _ in range(trials):
            for name, bound in upper_bounds(random, documents(random, n)).items():
                passed[name] = passed.get(name, 0) + (bound <= 1)
        for name, count in passed.items():
            print(f"{n:4} documents  {name:30} {100 * count / trials:.1f} % pass at the margin", flush=True)


main()
