"""The geometric-mean estimate of a Cauchy scale, and what it proves.

P_1, ..., P_K are independent, each a standard Cauchy variable times the same scale E = sum |a_m|.  Since E|C|**-s =
1 / cos(pi s / 2) for 0 <= s < 1, Chernoff's bound gives for every s

    P( (|P_1| ... |P_K|)**(1/K) <= E / tau ) <= (cos(pi s / 2) * tau**s)**-K,

so that tau times the geometric mean is at least E but with that probability (Indyk 2006 for stable sketches; Li, Hastie
& Church 2007 for this estimator).  log|C| has mean 0 and standard deviation pi/2: the estimate scatters by a factor
of about exp(pi / (2 sqrt K)), in both directions alike.
"""

from __future__ import annotations

import functools
import math

import numba
import numpy as np

from boundnet.kernels import threads
from boundnet.numerics.outward import Array

LOG_SLACK = 1e-9
"""Covers the float64 evaluation of up to 4096 logarithms of products: a few units in the last place of each."""
_GROUP = 8
WORK = 1 << 18
"""Logarithms' factors that are worth another thread's attention."""


@functools.cache
def log_tau(probes: int, log_p: float) -> float:
    """log tau: tau times the geometric mean of ``probes`` values is too small with a probability of at most exp(log_p).

    Any s proves; the best one on a grid is taken, with the logarithm rounded up.
    """
    best = math.inf
    for i in range(1, 1000):
        s = i / 1000.0
        best = min(best, (-math.log(math.cos(math.pi * s / 2.0)) - log_p / probes) / s)
    return best * (1.0 + 1e-12) + 1e-12


def scatter(first: int, second: int, p: float) -> float:
    """Factor between independent estimates from ``first`` and ``second`` probes of one scale, exceeded with at most p.

    Chernoff's bound of the sum of both logarithms; their tails are heavier than a normal distribution's.
    """

    def cumulant(theta: float, probes: int) -> float:
        return -probes * math.log(math.cos(math.pi * theta / probes / 2.0))

    smallest = min(first, second)
    thetas = [smallest * i / 200.0 for i in range(1, 200)]
    return math.exp(min((cumulant(t, first) + cumulant(t, second) - math.log(p)) / t for t in thetas))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_logs(probes: Array, limit: Array, kappa: Array, spread: Array, total: Array, first: int, last: int) -> None:
    count = len(probes)
    block = 512
    product = np.ones(block)
    for start in range(first, last, block):
        stop = min(last, start + block)
        for k in range(count):
            row, blur = probes[k, start:stop], kappa[k]
            for j in range(stop - start):
                product[j] *= abs(row[j]) / limit[start + j] + blur * spread[start + j]
            if k % _GROUP == _GROUP - 1 or k == count - 1:
                for j in range(stop - start):
                    if np.isinf(limit[start + j]):
                        total[start + j] = -np.inf
                    elif product[j] < 1e300:
                        total[start + j] += math.log(product[j])
                    else:
                        total[start + j] = np.inf  # NaN as well
                    product[j] = 1.0


def add_logs(probes: Array, limit: Array, kappa: Array, spread: Array, total: Array) -> None:
    """total += sum over k of log(|P_k| / limit + kappa_k spread).  probes: (K, n); kappa: (K,); limit, spread, total: (n,).

    An infinite limit is not checked and leaves -inf; a NaN or an overflow leaves inf.
    """
    threads.spread(lambda i, j: _add_logs(probes, limit, kappa, spread, total, i, j), len(total), WORK // len(probes) + 1)


def estimate(probes: Array) -> Array:
    """Geometric mean of |P_k| over the first axis: an estimate of the scale, no bound.  (K, ...) -> (...)."""
    flat = probes.reshape(len(probes), -1)
    typical = float(np.abs(flat[0]).max(initial=0.0))  # keeps the products of ratios in range
    typical = typical if 0.0 < typical < np.inf else 1.0
    total, one = np.zeros(flat.shape[1]), np.ones(flat.shape[1])
    add_logs(flat, typical * one, np.full(len(flat), 2.0**-80), one, total)
    found: Array = np.exp(total / len(flat)) * typical
    return found.reshape(probes.shape[1:])
