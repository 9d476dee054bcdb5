"""Normal coins: their distribution, and how often the check of a 2-norm fails to notice one that is too small."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from boundnet.domains.sketch.gaussian import chi_square_share, coin_error, deviations, inject
from boundnet.numerics.philox import key_of


def coins(count: int, size: int, seed: int = 5, first: int = 0) -> np.ndarray:
    probes = np.zeros((count, size))
    inject(probes, np.ones(size), np.ones(size), first, 3, *key_of(seed))
    return probes


def test_coins_are_standard_normal() -> None:
    found = np.sort(coins(8, 50_000).ravel())
    n = found.size
    assert abs(found.mean()) < 5 / math.sqrt(n)
    assert abs(found.var() - 1) < 5 * math.sqrt(2 / n)
    at = found[:: n // 200]
    exact = np.array([float(mpmath.ncdf(float(v))) for v in at])
    # Kolmogorov and Smirnov: 1.95 / sqrt(n) is exceeded once in a thousand times.
    assert np.max(np.abs(np.searchsorted(found, at) / n - exact)) < 1.95 / math.sqrt(n) + 1 / n


def test_coins_are_independent_and_reproducible() -> None:
    found = coins(16, 20_000)
    correlation = np.corrcoef(found)
    assert np.max(np.abs(correlation - np.eye(16))) < 6 / math.sqrt(20_000)
    assert np.array_equal(coins(4, 20_000, first=4), found[4:8])
    assert np.array_equal(coins(16, 3_000), found[:, :3_000])


def test_coin_error_covers_the_cell_and_the_logarithm() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        cell = int(rng.integers(0, 2**61)) >> int(rng.integers(0, 55))
        middle = (cell + 0.5) * 2.0**-61
        computed = math.sqrt(-2.0 * math.log(middle))
        if cell == 0:
            continue  # one cell in 2**61, whose coin is off without bound
        for end in (cell, cell + 1):
            true = mpmath.sqrt(-2 * mpmath.log(min(mpmath.mpf(end) / 2**61, mpmath.mpf(1))))
            assert abs(true - computed) <= coin_error(computed)
    assert coin_error(6.0) < 2.0**-24


@pytest.mark.parametrize(("probes", "p"), [(4, 0.1), (8, 0.05), (16, 0.02)])
def test_failure_probability_by_simulation(probes: int, p: float) -> None:
    """The check passes a 2-norm that is too small (by nothing) no more often than its formula says, and not far less."""
    share = chi_square_share(probes, math.log(p))
    trials = 40_000
    passed = (np.square(coins(probes, trials, seed=9)).sum(axis=0) <= share * probes).mean()
    assert passed <= p + 4 * math.sqrt(p / trials)
    assert passed > p / 30


def test_estimates_are_root_mean_squares() -> None:
    probes = np.array([[3.0, 0.0, 1e200], [4.0, 0.0, 1e200]])
    assert np.allclose(deviations(probes), [math.sqrt(12.5), 0.0, 1e200])
