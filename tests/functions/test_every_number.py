"""Every number of fp8 and bfloat16: values, slopes and enclosures over intervals of every function, against Arb.

Nothing is sampled and there is no tolerance: comparisons are made in Arb, or with the float64 numbers next to Arb's balls.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import flint
import numpy as np
import pytest
from flint import arb
from helpers.cases import ACTIVATIONS
from helpers.mutation import mutate
from helpers.numbers_of import every_number
from helpers.pieces import Claim, narrow, one_sided, prove

from boundnet.arithmetic.formats import BFLOAT16, E4M3FN, E5M2, Format
from boundnet.functions import Function, make
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array
from boundnet.reference.arb import ArbMachine
from boundnet.roundoff.strips import slopes, value_range

FP8 = [E4M3FN, E5M2]
KINKS = (-3.0, -2.5, -1.0, 0.0, 1.0, 2.5, 3.0)
"""Where functions without ``pieces`` have their kinks, and some more."""


def numbers(function: Function, fmt: Format) -> Array:
    x = every_number(fmt)
    return x[x > 0] if function.positive else x


def cut(function: Function, low: float, high: float) -> list[float]:
    """The interval's ends, and the kinks inside it: one more float each where a breakpoint isn't known exactly."""
    breaks = [] if function.pieces is None else [end for pair in function.pieces.breaks for end in pair]
    inside = sorted({kink for kink in (*breaks, *KINKS) if low < kink < high})
    return [low, *inside, high]


FAR = 1024.0
"""Beyond, balls over intervals are too wide to prove anything: ends and points inside are checked there."""


def precision(x: float) -> None:
    """Bits enough for the cancellation in x**4 (1 + tanh(x**3))."""
    flint.ctx.prec = 192 if abs(x) < 2.0**12 else 1024


def check_intervals(function: Function, first: Array, last: Array) -> None:
    """From every ``first`` to its ``last`` the exact range and the exact slopes lie in the enclosures."""
    box = Box(first, last)
    with np.errstate(all="ignore"):
        value, slope = value_range(function, box), slopes(function, box)
    ends = (np.broadcast_to(end, box.lo.shape).tolist() for end in (value.lo, value.hi, slope.lo, slope.hi))
    for low, high, *claimed in zip(first.tolist(), last.tolist(), *ends, strict=True):
        size = max(abs(low), abs(high))
        precision(size)
        claim = Claim(*claimed, size)
        if size > FAR:
            check_inside(function, low, high, claim)
        else:
            for left, right in pairwise(cut(function, low, high)):
                prove(function, left, right, claim)
        for end in (low, high):
            assert claim.holds_value(one_sided(function, end, end)[0]), (str(function), end)


def check_inside(function: Function, low: float, high: float, claim: Claim) -> None:
    """The claim at points in the interval, and as its ends are approached from inside."""
    middle = 0.5 * (low + high)
    for x in (low, 0.75 * low + 0.25 * high, middle, 0.25 * low + 0.75 * high, high):
        y, s = one_sided(function, x, middle)
        assert claim.holds_value(y), (str(function), x, y, claim)
        assert claim.holds_slope(s), (str(function), x, s, claim)


def check_points(function: Function, x: Array) -> None:
    """Value and slope at every number; at a kink, where both sides differ, the slope of either."""
    with np.errstate(all="ignore"):
        value, slope = value_range(function, Box.exactly(x)), slopes(function, Box.exactly(x))
    ends = (np.broadcast_to(end, x.shape).tolist() for end in (value.lo, value.hi, slope.lo, slope.hi))
    for at, *claimed in zip(x.tolist(), *ends, strict=True):
        precision(at)
        claim = Claim(*claimed, abs(at))
        sides = [one_sided(function, at, float(np.nextafter(at, side)))[1] for side in (-np.inf, np.inf)]
        assert claim.holds_value(one_sided(function, at, at)[0]), (str(function), at, claim)
        assert any(map(claim.holds_slope, sides)), (str(function), at, sides, claim)


@pytest.mark.parametrize("fmt", FP8, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_every_fp8_number(function: Function, fmt: Format) -> None:
    check_points(function, numbers(function, fmt))


def check_neighbours(function: Function, fmt: Format, every: int = 1) -> None:
    """Between each number of ``fmt`` and the next one, or every n-th of these intervals."""
    x = numbers(function, fmt)
    check_intervals(function, x[:-1][::every], x[1:][::every])


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_between_e4m3_neighbours(function: Function) -> None:
    check_neighbours(function, E4M3FN)


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_some_bfloat16_numbers(function: Function) -> None:
    check_points(function, numbers(function, BFLOAT16)[::89])
    check_neighbours(function, BFLOAT16, 127)


@pytest.mark.slow
@pytest.mark.parametrize("fmt", [E5M2, BFLOAT16], ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_between_neighbours(function: Function, fmt: Format) -> None:
    check_neighbours(function, fmt)


@pytest.mark.slow
@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_every_bfloat16_number(function: Function) -> None:
    check_points(function, numbers(function, BFLOAT16))


@cache
def exact_at(function: Function, fmt: Format) -> tuple[Array, Array]:
    """The float64 numbers just below and just above f at every number of ``fmt``; the same one where Arb can't tell."""
    machine, found = ArbMachine(192), []
    for x in numbers(function, fmt).tolist():
        ball = function.programs[0](machine, machine.constant(x))[()]
        near = float(ball.mid())
        known = math.isfinite(near) and not (ball < arb(near) or ball > arb(near)) and narrow(ball, abs(x))
        found.append((near, near) if known else machine.enclosure(ball))
    low, high = np.array(found).T
    return low, high


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_between_any_two_fp8_numbers(function: Function) -> None:
    """All values that a function takes at numbers between any two lie in the enclosure over the interval."""
    x = numbers(function, E4M3FN)
    low, high = exact_at(function, E4M3FN)
    first, last = np.triu_indices(len(x))
    least = np.stack([np.concatenate([np.full(i, np.inf), np.minimum.accumulate(low[i:])]) for i in range(len(x))])
    most = np.stack([np.concatenate([np.full(i, -np.inf), np.maximum.accumulate(high[i:])]) for i in range(len(x))])
    with np.errstate(all="ignore"):
        value = value_range(function, Box(x[first], x[last]))
    assert np.all(value.lo <= least[first, last])
    assert np.all(value.hi >= most[first, last])


@pytest.mark.slow
@pytest.mark.parametrize("fmt", FP8, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_secants_between_any_two_fp8_numbers(function: Function, fmt: Format) -> None:
    machine = ArbMachine(192)
    x = numbers(function, fmt)
    at = machine.parameter(x)
    y = function.programs[0](machine, at)
    first, last = np.triu_indices(len(x), 1)
    with np.errstate(all="ignore"):
        slope = slopes(function, Box(x[first], x[last]))
    lo, hi = (np.broadcast_to(side, first.shape) for side in (slope.lo, slope.hi))
    secants = (y[last] - y[first]) / (at[last] - at[first])
    for secant, least, most, i, j in zip(secants, lo.tolist(), hi.tolist(), first, last, strict=True):
        # A straight piece attains its slope, and a ball about it is never proved to lie inside.
        outside = bool(secant < arb(least)) or bool(secant > arb(most))
        assert not outside, (str(function), x[i], x[j], secant, least, most)


@pytest.mark.parametrize(("name", "change"), [
    ("gelu", {"slope_range": (-0.1288, 1.1289)}), ("silu", {"slope_range": (-0.0998, 1.1)}), ("mish", {"slope_range": (0.0, 1.1)}),
])  # fmt: skip
def test_a_wrong_slope_is_found(name: str, change: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        check_neighbours(replace(make(name), **change), E4M3FN)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "elu", "mish", "softplus"])
def test_a_forgotten_error_of_the_library_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    mutate(monkeypatch, Box.function, "low = low - np.abs(low) * (k * 2.0**-52)", "low = low + np.abs(low) * (k * 2.0**-52)")
    with pytest.raises(AssertionError):
        check_points(make(name), numbers(make(name), E4M3FN))
