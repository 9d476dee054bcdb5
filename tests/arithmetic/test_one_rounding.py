"""The half-ulp bound of one rounding, exhaustively for narrow formats."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from boundnet.arithmetic import Arithmetic, Order, parse_order
from boundnet.arithmetic.formats import (
    BFLOAT16,
    BINARY16,
    BINARY32,
    BINARY64,
    E4M3FN,
    E5M2,
    Format,
    fixed_format,
    float_format,
)
from boundnet.errors import FormatError

ROUNDINGS = ["nearest", "toward_zero", "any"]


def samples(fmt: Format) -> np.ndarray:
    """Values, midpoints and points next to them over many binades, positive."""
    low, high = int(np.log2(fmt.smallest_subnormal)), int(np.log2(fmt.largest))
    exponents = np.unique(np.clip([low, low + 1, fmt.emin - 1, fmt.emin, fmt.emin + 1, -1, 0, 1, high - 1], low, high))
    grid = np.arange(2 ** min(fmt.precision + 2, 11)) / 2.0 ** min(fmt.precision + 2, 11)
    points = np.concatenate([(1.0 + grid) * 2.0**e for e in exponents])
    points = np.concatenate([points, np.nextafter(points, 0.0), np.nextafter(points, np.inf)])
    return points[points < fmt.largest]


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(
    "fmt", [E4M3FN, E5M2, BFLOAT16, BINARY16, float_format(3, 4), fixed_format(3, 4)], ids=lambda f: f.name
)
def test_bound_covers_every_rounding_below_the_magnitude(fmt: Format, rounding: str) -> None:
    rules = Arithmetic("t", fmt, fmt, rounding=rounding)  # type: ignore[arg-type]
    t = samples(fmt)
    directions = ["nearest"] if rounding == "nearest" else ["toward_zero"] if rounding == "toward_zero" else ["down", "up"]
    error = np.max([np.abs(fmt.round(t, d) - t) for d in directions], axis=0)  # type: ignore[arg-type]
    assert np.all(error <= rules.one_rounding(t, fmt))
    order = np.argsort(t)
    worst = np.maximum.accumulate(error[order])
    assert np.all(worst <= rules.one_rounding(t[order], fmt)), "monotone: covers every smaller magnitude"


def test_half_ulp_bound_is_attained() -> None:
    rules = Arithmetic("t", E4M3FN, E4M3FN)
    for t in (1.0625, 2.125, 2.0**-10):
        assert rules.one_rounding(np.array(t), E4M3FN) == abs(E4M3FN.round(np.array(t)) - t)


def test_zero_costs_nothing_and_infinity_everything() -> None:
    rules = Arithmetic("t")
    assert rules.one_rounding(np.array(0.0), BINARY32) == 0.0
    assert np.all(np.isinf(rules.one_rounding(np.array([np.inf, np.nan]), BINARY32)))
    assert np.all(rules.overflows(np.array([np.nan, np.inf]), np.zeros(2))), "NaN is never proved"


def test_binary64_underflow_is_not_lost() -> None:
    rules = Arithmetic("t", BINARY64, BINARY64)
    assert rules.absolute(BINARY64) > 0.0
    assert Fraction(float(rules.one_rounding(np.array(2.0**-1070), BINARY64))) >= Fraction(1, 2**1075)


def test_accumulator_must_hold_the_storage_format() -> None:
    with pytest.raises(FormatError, match="can't hold"):
        Arithmetic("t", BINARY32, BFLOAT16)


def test_functions_are_worse_when_not_to_nearest() -> None:
    assert Arithmetic("t").ulp("sqrt") == 0.5
    assert Arithmetic("t", rounding="toward_zero").ulp("sqrt") == 1.0


@pytest.mark.parametrize(("order", "n", "height"), [
    (Order("sequential"), 7, 7), (Order("pairwise", 1), 8, 4), (Order("pairwise", 1), 9, 5), (Order("pairwise", 4), 17, 7),
    (Order("blocked", 4), 16, 7), (Order("blocked", 4), 17, 8), (Order("any"), 5, 5), (Order("pairwise", 8), 5, 5),
])  # fmt: skip
def test_heights(order: Order, n: int, height: int) -> None:
    assert order.height(n) == height


@pytest.mark.parametrize("text", ["blocked", "any(3)", "pairwise(0)", "tree"])
def test_bad_orders(text: str) -> None:
    with pytest.raises(FormatError):
        parse_order(text)
