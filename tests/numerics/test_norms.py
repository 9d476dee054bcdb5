"""2-norms are rounded up, tails are no less than exact ones: against rationals and mpmath."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boundnet.domains.chance import exceedance, smallest_lambda
from boundnet.domains.sketch.gaussian import chi_square_share
from boundnet.numerics.norms import norm2, root_sum
from boundnet.roundoff.mean_independent.mixture import mixture

numbers = st.floats(-1e150, 1e150) | st.floats(-1e-150, 1e-150) | st.just(0.0)


@settings(deadline=None)
@given(st.lists(numbers, min_size=1, max_size=20))
def test_norm_is_no_less_than_exact(values: list[float]) -> None:
    exact = sum(Fraction(v) ** 2 for v in values)
    found = [float(norm2(np.array(values))), float(root_sum(*(np.array(v) for v in values)))]
    for bound in found:
        assert Fraction(bound) ** 2 >= exact
        assert bound <= 1.000001 * math.hypot(*values) + len(values) * 2.0**-499
    assert found[0] == 0.0 or any(values)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_has_no_norm(bad: float) -> None:
    values = np.array([[1.0, bad], [2.0, 3.0]])
    assert np.array_equal(norm2(values, axis=1) == math.inf, [True, False])
    assert np.array_equal(root_sum(values[:, 0], values[:, 1]) == math.inf, [True, False])


def test_a_large_norm_is_not_lost_in_an_axis() -> None:
    values = np.full((100_000, 2), 1e-3)
    assert np.all(norm2(values) >= math.sqrt(100_000) * 1e-3)
    assert np.all(norm2(values) <= math.sqrt(100_000) * 1e-3 * (1 + 1e-9))


@pytest.mark.parametrize("lam", [0.5, 1.0, 2.0, 5.0, 8.25, 12.0, 40.0])
def test_exceedance_is_rounded_up(lam: float) -> None:
    exact = 2 * mpmath.exp(-(mpmath.mpf(lam) ** 2) / 2)
    assert exceedance(lam) >= min(1, exact)
    assert exceedance(lam) <= exact * (1 + mpmath.mpf(2) ** -30) + mpmath.mpf("1e-300")


@pytest.mark.parametrize("statements", [1, 1000, 10**7, 10**12])
def test_chosen_lambda_is_the_smallest(statements: int) -> None:
    lam = smallest_lambda(statements, 1e-9)
    assert statements * exceedance(lam) <= 1e-9 < statements * exceedance(lam - 0.125)


@pytest.mark.parametrize("probes", [2, 8, 64, 256])
@pytest.mark.parametrize("log_p", [-1.0, -10.0, -40.0])
def test_chi_square_tail(probes: int, log_p: float) -> None:
    share = chi_square_share(probes, log_p)
    below = mpmath.gammainc(mpmath.mpf(probes) / 2, 0, share * probes / 2, regularized=True)
    assert below <= mpmath.exp(log_p)
    assert share > 0.2 * math.exp(2.0 * log_p / probes)


@given(st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)), min_size=1, max_size=6), st.floats(0.1, 10))
def test_mixture_is_the_bound_of_some_choice(parts: list[tuple[float, float]], lam: float) -> None:
    deviations, excesses = (np.array([p[i] for p in parts]) for i in range(2))
    found = mixture(lam, deviations, excesses)
    choices = [
        sum(e for i, (_, e) in enumerate(parts) if chosen >> i & 1)
        + lam * math.hypot(*(d for i, (d, _) in enumerate(parts) if not chosen >> i & 1), 0.0)
        for chosen in range(1 << len(parts))
    ]
    total = float(found.total)
    assert min(choices) * (1 - 1e-12) - 1e-140 <= total
    assert total <= min(choices[0], choices[-1]) * (1 + 1e-9) + 1e-140
    assert math.isclose(float(found.parts.sum()), total, rel_tol=1e-6, abs_tol=1e-130)
