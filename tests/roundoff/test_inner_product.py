"""The theorems on sums of products against exact rational arithmetic."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from boundnet.arithmetic import SEQUENTIAL, Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY32, Format, float_format
from boundnet.numerics.outward import Array
from boundnet.ops import Dense
from boundnet.ops.base import Tensor
from boundnet.roundoff.rounder import Rounder


def bound(x: Array, w: Array, rules: Arithmetic) -> float:
    """Rounding bound of one inner product at a point."""
    tensor = Tensor(x[None], np.zeros((1, len(x))), (x == 0.0)[None])
    return float(Dense(w[:, None]).local(Rounder(rules), tensor).rounding[0, 0])


def rounded(fmt: Format, value: Fraction, direction: str = "nearest") -> Fraction:
    """One rounding of an exact value; binary64 holds every operand here exactly."""
    assert Fraction(float(value)) == value
    return Fraction(float(fmt.round(np.array(float(value)), direction)))  # type: ignore[arg-type]


def sequential(fmt: Format, products: list[Fraction], direction: str = "nearest") -> Fraction:
    total = Fraction(0)
    for p in products:
        total = rounded(fmt, total + p, direction)
    return total


def test_every_sequence_of_a_tiny_format() -> None:
    """(m-1) u S + u/(1+u) P for rounded products and sums: p = 2, random leaves, every order of one accumulator, no FMA."""
    fmt, rng = float_format(2, 8), np.random.default_rng(0)
    u = Fraction(1, 4)
    worst = Fraction(0)
    for _ in range(300):
        n = int(rng.integers(2, 5))
        x = fmt.round(rng.choice([1.0, 1.5, 2.0, 3.0, 0.5, 0.75], size=n) * rng.choice([-1, 1], size=n))
        w = fmt.round(rng.choice([1.0, 1.5, 2.0, 3.0, 0.5, 0.75], size=n))
        products = [Fraction(a) * Fraction(b) for a, b in zip(x, w, strict=True)]
        size = sum(map(abs, products))
        for order in itertools.permutations(range(n)):
            total = rounded(fmt, products[order[0]])
            for k in order[1:]:
                total = rounded(fmt, total + rounded(fmt, products[k]))
            error = abs(total - sum(products))
            assert error <= (n - 1) * u * size + u / (1 + u) * size
            worst = max(worst, error / (n * u * size))
    assert worst > Fraction(1, 2)


def test_n_u_is_nearly_attained_to_nearest() -> None:
    """1 + u + u + ... with ties to even never leaves 1: the error is (n - 1) u, S = 1 + (n - 1) u."""
    n = 40
    x = np.array([1.0] + [2.0**-8] * (n - 1))
    rules = Arithmetic("bf16", BFLOAT16, BFLOAT16, SEQUENTIAL, fma="yes", subnormals="gradual")
    products = [Fraction(v) for v in x]
    error = abs(sequential(BFLOAT16, products) - sum(products))
    assert error == Fraction(n - 1, 256)
    claimed = bound(x, np.ones(n), rules)
    assert float(error) <= claimed <= 1.2 * float(error)


@pytest.mark.parametrize("n", [257, 400, 1000])
def test_bfloat16_past_the_reach_of_gamma(n: int) -> None:
    rng = np.random.default_rng(n)
    for order in ("any", "sequential"):
        rules = Arithmetic("bf16", BFLOAT16, BFLOAT16, Arithmetic("t").order if order == "any" else SEQUENTIAL, fma="no")
        for _ in range(5):
            x, w = BFLOAT16.round(rng.uniform(0.5, 1.0, size=n)), BFLOAT16.round(rng.uniform(-1.0, 1.0, size=n))
            exact = sum(Fraction(a) * Fraction(b) for a, b in zip(x, w, strict=True))
            parts = [rounded(BFLOAT16, Fraction(a) * Fraction(b)) for a, b in zip(x, w, strict=True)]
            claimed = bound(x, w, rules)
            assert np.isfinite(claimed)
            assert abs(sequential(BFLOAT16, parts) - exact) <= Fraction(claimed)
            assert abs(sequential(BFLOAT16, sorted(parts)) - exact) <= Fraction(
                bound(x, w, Arithmetic("any", BFLOAT16, BFLOAT16))
            )


def test_directed_rounding_breaks_n_u_from_131_terms() -> None:
    """Rounding up, 1 + tiny + tiny ... grows by a whole ulp a step: (n - 1) 2u > n u S; our bound holds."""
    n = 131
    x = np.array([1.0] + [2.0**-30] * (n - 1))
    products = [Fraction(v) for v in x]
    error = abs(sequential(BFLOAT16, products, "up") - sum(products))
    u = Fraction(1, 256)
    assert error > n * u * sum(products), "the theorem for nearest is false here"
    rules = Arithmetic("up", BFLOAT16, BFLOAT16, SEQUENTIAL, rounding="any", fma="yes")
    assert error <= Fraction(bound(x, np.ones(n), rules))
    assert error <= Fraction(bound(x, np.ones(n), Arithmetic("up", BFLOAT16, BFLOAT16, rounding="any")))


def test_exactly_zero_inputs_do_not_count() -> None:
    x, w = np.array([0.0, 1.5, 0.0, 0.0]), np.array([3.0, 1.0, 2.0, 5.0])
    rules = Arithmetic("t", BINARY32, BINARY32, fma="yes", subnormals="gradual")
    assert bound(x, w, rules) <= 1.5 * 2.0**-24 + 2.0**-140
    assert bound(np.zeros(4), w, rules) == 0.0


def test_running_bound_is_not_above_the_leaf_bound() -> None:
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=60), rng.normal(size=60)
    x, w = BINARY32.round(x), BINARY32.round(w)
    assert bound(x, w, Arithmetic("s", order=SEQUENTIAL)) <= bound(x, w, Arithmetic("a"))
