"""The machine that splits the rounding error of an elementwise program into a biased and a mean-independent part.

A value is off by b + X, |b| <= ``biased``, X a combination of mean-independent roundings whose half-ranges have the 2-norm
``deviation``.  Exact intermediate values depend on the op's inputs only, so they multiply X predictably; products of two
errors count with their worst cases.  Deviations of two operands are added, since they may share roundings; a fresh rounding
is independent of them: squares add.  What is computed from weights and literals alone is rounded once for all elements, and
what passes a maximum, a branch or a function bends: all of that stays worst-case.  In a program that is affine in its input
the shared errors amount to other constants, A^ + B^ x for A + B x; with ``shared_apart`` they are left to the op, which
knows that they reach all elements alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.machines.running import RunningMachine, Tracked, is_one, is_zero
from boundnet.numerics.intervals import Box
from boundnet.numerics.norms import root_sum
from boundnet.numerics.outward import Array, up


@dataclass(frozen=True)
class Parts:
    """A tracked value (its worst-case error among it) and the two parts of its error.

    ``shared``: computed from weights and literals alone, the same for many elements.
    """

    tracked: Tracked
    biased: Array
    deviation: Array
    shared: bool

    @property
    def given(self) -> bool:
        """Held exactly: an input of the op, whose value is known before any of its roundings."""
        return not np.any(self.tracked.error)


class SplitMachine:
    """Splits under an Arithmetic whose roundings have mean zero.

    ``normalises``: the op may keep intermediate results (:class:`boundnet.arithmetic.Arithmetic`).
    """

    def __init__(self, arithmetic: Arithmetic, normalises: bool = False, shared_apart: bool = False) -> None:
        self._worst = RunningMachine.inside(arithmetic, normalises)
        self.arithmetic = self._worst.arithmetic
        self._shared_apart = shared_apart
        lost = [f.smallest_normal for f in (arithmetic.accumulate, arithmetic.storage) if not (f.subnormals or f.is_fixed)]
        # Flushing is no rounding of mean zero: of the result and of both operands.
        self._tiny = 3.0 * arithmetic.flush() + sum(lost)

    def variable(self, box: Box) -> Parts:
        return _worst(self._worst.variable(box), shared=False)

    def constant(self, value: float) -> Parts:
        return self._shared(self._worst.constant(value))

    def parameter(self, value: Array) -> Parts:
        return self._shared(self._worst.parameter(value))

    def _shared(self, tracked: Tracked) -> Parts:
        """What weights and literals give: its error is counted here, or by whoever runs the program."""
        none = np.zeros(np.shape(tracked.error))
        return Parts(tracked, none if self._shared_apart else tracked.error, none, True)

    def result(self, value: Parts) -> Parts:
        """The op's result, stored where intermediate ones were not."""
        around = self._worst.around
        if around is None:
            return value
        tracked = self._worst.result(value.tracked)
        if value.shared:
            return self._shared(tracked)
        lost = 0.0 if around.storage.subnormals or around.storage.is_fixed else around.storage.smallest_normal
        deviation = root_sum(value.deviation, around.half_range(tracked.magnitude, around.storage))
        return _parts(tracked, up(value.biased + lost, 1), deviation)

    def add(self, a: Parts, b: Parts) -> Parts:
        tracked = self._worst.add(a.tracked, b.tracked)
        for zero, other in ((a, b), (b, a)):
            if is_zero(zero.tracked):
                return self._copied(tracked, other)
        return self._rounded(tracked, a, b, a.biased + b.biased, a.deviation + b.deviation)

    def sub(self, a: Parts, b: Parts) -> Parts:
        return self.add(a, self.negative(b))

    def mul(self, a: Parts, b: Parts) -> Parts:
        tracked = self._worst.mul(a.tracked, b.tracked)
        for one, other in ((b, a), (a, b)):
            if is_one(one.tracked):
                return self._copied(tracked, other)
        left, right = a.tracked.exact.magnitude, b.tracked.exact.magnitude
        second = a.tracked.error * b.tracked.error + self._tiny * (left + right + a.tracked.error + b.tracked.error)
        biased = a.biased * right + b.biased * left + second
        return self._rounded(tracked, a, b, biased, a.deviation * right + b.deviation * left)

    def div(self, a: Parts, b: Parts) -> Parts:
        """a/b off by (e_a - q e_b)/b to first order; (e_a - q e_b) e_b / (b (b + e_b)) is missed."""
        tracked = self._worst.div(a.tracked, b.tracked)
        if is_one(b.tracked):
            return self._copied(tracked, a)
        divisor = b.tracked.exact
        least = np.minimum(np.abs(divisor.lo), np.abs(divisor.hi)) * (1.0 - 2.0**-50)
        worst_a, worst_b = a.tracked.error + self._tiny, b.tracked.error + self._tiny
        quotient = up(a.tracked.exact.magnitude / least, 1)
        nearest = least - worst_b * (1.0 + 2.0**-50)
        missed = (worst_a + quotient * worst_b) * worst_b / (least * nearest)
        biased = (a.biased + self._tiny + quotient * (b.biased + self._tiny)) / least + missed
        deviation = (a.deviation + quotient * b.deviation) / least
        sure = nearest > 0.0
        return self._rounded(tracked, a, b, np.where(sure, biased, np.inf), np.where(sure, deviation, np.inf))

    def maximum(self, a: Parts, b: Parts) -> Parts:
        return self._settled(self._worst.maximum(a.tracked, b.tracked), a.shared and b.shared)

    def minimum(self, a: Parts, b: Parts) -> Parts:
        return self._settled(self._worst.minimum(a.tracked, b.tracked), a.shared and b.shared)

    def absolute(self, a: Parts) -> Parts:
        return self._settled(self._worst.absolute(a.tracked), a.shared)

    def negative(self, a: Parts) -> Parts:
        return Parts(self._worst.negative(a.tracked), a.biased, a.deviation, a.shared)

    def where(self, x: Parts, threshold: float, above: Parts, below: Parts, apart: Any = None) -> Parts:
        tracked = self._worst.where(x.tracked, threshold, above.tracked, below.tracked, apart)
        shared = x.shared and above.shared and below.shared
        if shared or not x.given:
            return self._settled(tracked, shared)
        # Which branch runs is settled before any of their roundings; a wrong one may be taken where the literal is rounded.
        either = np.maximum(above.tracked.error, below.tracked.error)
        astray = np.where(tracked.error > either, tracked.error, 0.0)
        biased = np.maximum(np.maximum(above.biased, below.biased), astray)
        return Parts(tracked, biased, np.maximum(above.deviation, below.deviation), False)

    def function(self, name: str, a: Parts) -> Parts:
        """The function's own error is biased; storing its result is a rounding like any other."""
        tracked = self._worst.function(name, a.tracked)
        if a.shared:
            return self._shared(tracked)
        if not self.arithmetic.widens:
            return _worst(tracked, False)
        unstored = _UnstoredMachine(self.arithmetic).function(name, a.tracked)
        stored = self.arithmetic.half_range(tracked.magnitude, self.arithmetic.storage)
        return _parts(tracked, unstored.error + self._tiny, stored)

    def power(self, a: Parts, n: int) -> Parts:
        """As :meth:`function`."""
        tracked = self._worst.power(a.tracked, n)
        return self._shared(tracked) if a.shared else _worst(tracked, False)

    def either(self, choices: Sequence[Callable[[], Parts]]) -> Parts:
        """One of several ways to compute the same number: whichever it is, both parts are at most the largest ones."""
        found = [choice() for choice in choices]
        tracked = self._worst.either([lambda part=part: part.tracked for part in found])  # type: ignore[misc]
        biased = np.maximum.reduce([part.biased for part in found])
        deviation = np.maximum.reduce([part.deviation for part in found])
        return Parts(tracked, biased, deviation, all(part.shared for part in found))

    def _settled(self, tracked: Tracked, shared: bool) -> Parts:
        return self._shared(tracked) if shared else _worst(tracked, False)

    def _copied(self, tracked: Tracked, other: Parts) -> Parts:
        return Parts(tracked, up(other.biased + self._tiny, 1), other.deviation, other.shared)

    def _rounded(self, tracked: Tracked, a: Parts, b: Parts, biased: Array, deviation: Array) -> Parts:
        if a.shared and b.shared:
            return self._shared(tracked)
        rules, reached = self.arithmetic, tracked.magnitude
        parts = [up(deviation, 4), rules.half_range(reached, rules.accumulate)]
        if rules.widens:
            parts.append(rules.half_range(reached, rules.storage))
        return _parts(tracked, up(biased, 8) + self._tiny, root_sum(*parts))


class _UnstoredMachine(RunningMachine):
    """Values stay in the accumulator."""

    def _stored(self, exact: Box, error: Array, overflow: Any) -> Tracked:
        return Tracked(exact, error, overflow)


def _worst(tracked: Tracked, shared: bool) -> Parts:
    return Parts(tracked, tracked.error, np.zeros(np.shape(tracked.error)), shared)


def _parts(tracked: Tracked, biased: Array, deviation: Array) -> Parts:
    """Both parts, or the worst case where nothing is known of one or where nothing is wrong at all."""
    with np.errstate(invalid="ignore"):
        known = np.isfinite(biased) & np.isfinite(deviation) & (tracked.error > 0.0)
    return Parts(tracked, np.where(known, biased, tracked.error), np.where(known, deviation, 0.0), False)


Program = Callable[..., Any]
__all__ = ["Parts", "SplitMachine"]
