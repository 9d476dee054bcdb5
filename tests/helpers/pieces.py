"""Value and slopes of a function over an interval between two kinks, certified by Arb."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from flint import arb

from boundnet.functions import Function
from helpers.series import SeriesMachine, derivatives


class SidedMachine:
    """Power series about a point, on the branch that a second point is on: one-sided derivatives at kinks.

    Values are pairs (series at the point, series at the witness).
    """

    def __init__(self) -> None:
        self.inner = SeriesMachine()

    def variable(self, x: arb, witness: arb) -> Any:
        return self.inner.variable(x), self.inner.variable(witness)

    def constant(self, value: float) -> Any:
        return (self.inner.constant(value),) * 2

    parameter = constant

    def add(self, a: Any, b: Any) -> Any:
        return a[0] + b[0], a[1] + b[1]

    def sub(self, a: Any, b: Any) -> Any:
        return a[0] - b[0], a[1] - b[1]

    def mul(self, a: Any, b: Any) -> Any:
        return a[0] * b[0], a[1] * b[1]

    def div(self, a: Any, b: Any) -> Any:
        return a[0] / b[0], a[1] / b[1]

    def maximum(self, a: Any, b: Any) -> Any:
        return a if a[1][0].mid() >= b[1][0].mid() else b

    def minimum(self, a: Any, b: Any) -> Any:
        return a if a[1][0].mid() <= b[1][0].mid() else b

    def absolute(self, a: Any) -> Any:
        return a if a[1][0].mid() >= 0 else self.negative(a)

    def negative(self, a: Any) -> Any:
        return -a[0], -a[1]

    def where(self, x: Any, threshold: float, above: Any, below: Any, apart: Any = None) -> Any:
        return above if x[1][0].mid() >= threshold else below

    def function(self, name: str, a: Any) -> Any:
        return self.inner.function(name, a[0]), self.inner.function(name, a[1])


def one_sided(function: Function, x: float, inside: float) -> tuple[arb, arb]:
    """f(x) and f'(x), taken as limits from the side where ``inside`` is."""
    machine = SidedMachine()
    program: Any = function.programs[0]
    series, _ = program(machine, machine.variable(arb(x), arb(inside)))
    return series[0], series[1]


@dataclass(frozen=True)
class Claim:
    """low <= f <= high and least <= f' <= most, for arguments up to ``size``."""

    low: float
    high: float
    least: float
    most: float
    size: float

    def holds_value(self, y: arb) -> bool:
        return above(y, self.low, self.size) and below(y, self.high, self.size)

    def holds_slope(self, s: arb) -> bool:
        return above(s, self.least, self.size) and below(s, self.most, self.size)


NARROW = arb(2) ** -130


def above(ball: arb, bound: float, size: float = 0.0) -> bool:
    """Whether the number in the ball is >= bound, or is closer to it than Arb tells: limits such as tanh < 1, far tails."""
    return bound == -math.inf or bool(ball >= arb(bound)) or (not ball < arb(bound) and narrow(ball, size))


def below(ball: arb, bound: float, size: float = 0.0) -> bool:
    """Whether the number in the ball is <= bound, or is closer to it than Arb tells."""
    return bound == math.inf or bool(ball <= arb(bound)) or (not ball > arb(bound) and narrow(ball, size))


def narrow(ball: arb, size: float) -> bool:
    """Whether the ball of a number that came of arguments up to ``size`` is as good as a point."""
    return bool(ball.rad() <= NARROW * (1 + abs(ball.mid()) + arb(size)))


def prove(function: Function, low: float, high: float, claim: Claim, depth: int = 60) -> None:
    """The claim holds on the open interval between ``low`` and ``high``, in which there is no kink.

    Where f'' has one sign, f' lies between its limits at the ends; where f' has one sign, so does f.  Elsewhere balls must
    lie inside the claim, or the interval is cut in two.
    """
    _, slope, bend = derivatives(function, low, high)
    middle = 0.5 * (low + high)
    ends = [one_sided(function, end, middle) for end in (low, high)]
    curved = bool(bend >= 0) or bool(bend <= 0)
    slopes_hold = all(claim.holds_slope(s) for _, s in ends) if curved else claim.holds_slope(slope)
    rises = bool(slope >= 0) or (curved and all(bool(s >= 0) for _, s in ends))
    falls = bool(slope <= 0) or (curved and all(bool(s <= 0) for _, s in ends))
    values_hold = all(claim.holds_value(y) for y, _ in ends)
    if slopes_hold and values_hold:
        if rises or falls:
            return
        # The mean value theorem about the middle.
        centre, _ = one_sided(function, middle, middle)
        if claim.holds_value(centre + arb(0, 0.5 * (high - low)) * slope):
            return
    assert depth > 0, f"{function} on ({low!r}, {high!r}): {ends}, slope {slope}, not in {claim}"
    assert low < middle < high, f"{function} on ({low!r}, {high!r}): {ends}, slope {slope}, not in {claim}"
    prove(function, low, middle, claim, depth - 1)
    prove(function, middle, high, claim, depth - 1)
