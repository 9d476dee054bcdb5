"""Shown numbers never promise more than was proved."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundnet.results.text import bound_text, floor_text, printable, share_text, value_text

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, st.integers(1, 17))
def test_bounds_are_rounded_up(bound: float, digits: int) -> None:
    shown = Decimal(bound_text(bound, digits))
    assert shown >= Decimal(bound)
    assert abs(shown - Decimal(bound)) <= abs(Decimal(bound)) * Decimal(10) ** (1 - digits)


@given(finite, st.integers(1, 17))
def test_lower_ends_are_rounded_down(value: float, digits: int) -> None:
    assert Decimal(floor_text(value, digits)) <= Decimal(value)


@given(finite, st.floats(0, allow_nan=False))
def test_values_are_near(value: float, bound: float) -> None:
    exact = Decimal(value)
    # All digits of a subnormal number are fewer than two.
    near = max(abs(exact) * Decimal("0.0051"), Decimal("5e-324") / 2)
    assert abs(Decimal(value_text(value, bound)) - exact) <= near


@given(finite)
def test_exact_values_keep_all_digits(value: float) -> None:
    assert float(value_text(value, 0.0)) == value


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (bound_text(0.0), "0"), (bound_text(1.0), "1"), (bound_text(math.inf), "infinite"),
        (bound_text(math.nan), "undefined"),
        (bound_text(0.00012341), "0.000124"), (bound_text(9.999), "10"), (bound_text(1.2345e-9), "1.24e-09"),
        (bound_text(46123.0), "46200"), (bound_text(5e-324), "4.95e-324"), (floor_text(-math.inf), "-infinite"),
        (value_text(0.99612583, 1e-5), "0.996126"), (value_text(0.5, math.inf), "0.5"), (value_text(-0.0, 1.0), "0"),
        (value_text(65504.0), "65504"), (share_text(0.0), "0.0 %"), (share_text(1e-9), "<0.1 %"),
        (share_text(0.4189), "41.9 %"),
        (share_text(math.nan), "undefined"), (printable("a\x1b[31m\nb\u202e"), "a\\x1b[31m\\nb\\u202e"),
    ],
)  # fmt: skip
def test_examples(shown: str, expected: str) -> None:
    assert shown == expected
