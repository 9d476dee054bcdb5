"""The estimate's failure probability against its formula, by simulation."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from boundnet.domains.estimate import add_logs, estimate, log_tau
from boundnet.domains.probe_bounds import Sketched
from boundnet.domains.sketch.cauchy import inject
from boundnet.domains.sketch.gaussian import chi_square_share
from boundnet.numerics.outward import Array
from boundnet.numerics.philox import key_of

TRIALS = 1 << 18


def coins(count: int, seed: int) -> Array:
    values = np.zeros((count, TRIALS))
    inject(values, np.ones(TRIALS), np.ones(TRIALS), 0, 1, *key_of(seed))
    return values


@pytest.mark.parametrize(("count", "p"), [(4, 1e-2), (8, 1e-2), (8, 1e-3), (16, 1e-2), (16, 1e-3)])
def test_failure_probability(count: int, p: float) -> None:
    total, one = np.zeros(TRIALS), np.ones(TRIALS)
    add_logs(coins(count, 11), one, np.zeros(count), one, total)
    failed = np.mean(total < -count * log_tau(count, float(np.log(p))))
    assert failed <= p + 5.0 * np.sqrt(p / TRIALS)
    assert failed >= p / 30.0


@pytest.mark.parametrize("kappa", [0.0, 2.0**-9, 0.05])
def test_bounds_of_blurred_probes(kappa: float) -> None:
    """Scales 1 whose probes are off by kappa, always to the worse side: no more failures than promised."""
    count, p = 8, 1e-2
    values = coins(count, 12)
    blurred = np.sign(values) * np.maximum(np.abs(values) - kappa, 0.0)
    zero = np.zeros(TRIALS)
    radii = Sketched(blurred, zero, zero, np.full(count, kappa), log_tau(count, float(np.log(p)))).radii()
    failed = np.mean(radii < 1.0)
    assert failed <= p + 5.0 * np.sqrt(p / TRIALS)
    assert failed >= p / 30.0 or kappa > 0.01


def test_differences_of_probes() -> None:
    """D_0 - D_k for scales that are known: 0 and 1 + 1."""
    count, p, n = 8, 1e-2, 1 << 12
    lost = 0
    for seed in range(8):
        values = np.zeros((count, n))
        inject(values, np.ones(n), np.ones(n), 0, 1, *key_of(seed))
        zero = np.zeros(n)
        sketch = Sketched(values, zero, zero, np.full(count, 2.0**-9), log_tau(count, float(np.log(p))))
        low, high = sketch.below(0)
        assert low[0] == high[0] == 0.0
        assert np.all(low <= 0.0)
        lost += int(np.sum((high[1:] < 2.0) | (low[1:] > -2.0)))
        # One symbol in all of them: differences have scale 0 but for the probes' rounding.
        same = Sketched(
            np.repeat(values[:, :1], 4, axis=1), np.arange(4.0), np.zeros(4), np.full(count, 2.0**-9), sketch.log_tau
        )
        low, high = same.below(1)
        assert np.all((low <= 1.0 - np.arange(4.0)) & (high >= 1.0 - np.arange(4.0)))
    assert lost <= 8 * n * p + 5.0 * np.sqrt(8 * n * p) * 4.0  # differences with one element are dependent


def test_nan_and_infinity_bound_nothing() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        values = np.ones((8, 3))
        values[2, 1] = bad
        zero = np.zeros(3)
        radii = Sketched(values, zero, zero, np.full(8, 2.0**-9), 1.0).radii()
        assert np.isinf(radii[1])
        assert np.isfinite(radii[[0, 2]]).all()
        total = np.zeros(3)
        add_logs(values, np.ones(3), np.zeros(8), np.ones(3), total)
        assert not total[1] < 1e300


def test_estimates_are_near() -> None:
    found = estimate(coins(64, 13) * 3.0)
    assert abs(np.log(found / 3.0).mean()) <= 0.01
    assert np.all(estimate(np.zeros((8, 5))) < 1e-20)


def test_differences_that_rounding_hides() -> None:
    """Two elements that differ by 1 % of their radius, which is what their probes may be off by: they look the same."""
    count, kappa = 16, 0.005
    base = coins(count, 14)[:, :1]
    probes, zero = np.repeat(base, 50, axis=1), np.zeros(50)
    low, high = Sketched(probes, zero, zero, np.full(count, kappa), log_tau(count, float(np.log(1e-9)))).below(0)
    assert np.all(high[1:] >= 0.01)
    assert np.all(low[1:] <= -0.01)


def test_rounding_relative_to_what_is_known_beside() -> None:
    """Probes that are off by 0.1 % of 1000, far more than their own scale of 1."""
    count, kappa, n = 256, 0.001, 1000
    values = np.zeros((count, n))
    inject(values, np.ones(n), np.ones(n), 0, 1, *key_of(15))
    hidden, zero = np.sign(values) * np.maximum(np.abs(values) - 1.0, 0.001), np.zeros(n)
    sketch = Sketched(hidden, zero, np.full(n, 1000.0), np.full(count, kappa), log_tau(count, float(np.log(1e-9))))
    assert np.all(sketch.radii() >= 1001.0)


@pytest.mark.parametrize("count", [4, 32, 64, 256, 512])
@pytest.mark.parametrize("log_p", [-2.0, -23.0, -41.0, -60.0])
def test_chernoffs_bound_at_tau_is_the_probability_asked_for(count: int, log_p: float) -> None:
    """Simulation can't tell p from p / 10, nor see 1e-18: the formula can, at 40 digits and a fine grid of s."""
    with mpmath.workdps(40):
        found = mpmath.mpf(log_tau(count, log_p))
        grid = [mpmath.mpf(i) / 4000 for i in range(1, 4000)]
        least = min(-count * (mpmath.log(mpmath.cos(mpmath.pi * s / 2)) + s * found) for s in grid)
        assert least <= log_p
        assert least >= log_p * (1 + mpmath.mpf("1e-4"))  # nor much more than asked for


@pytest.mark.parametrize("count", [4, 64, 256])
@pytest.mark.parametrize("log_p", [-5.0, -23.0, -45.0])
def test_chi_square_at_the_share_is_no_more_likely_than_asked_for(count: int, log_p: float) -> None:
    with mpmath.workdps(30):
        share = mpmath.mpf(chi_square_share(count, log_p))
        below = mpmath.gammainc(mpmath.mpf(count) / 2, 0, share * count / 2, regularized=True)
        assert mpmath.log(below) <= log_p
        assert mpmath.log(below) >= log_p - 6
