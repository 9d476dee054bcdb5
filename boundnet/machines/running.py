"""The machine that bounds rounding errors: running error analysis of an op's scalar program.

Each value carries an enclosure of what exact arithmetic gives over all inputs in range and a bound of
|computed - exact|.  The rules are those of Higham (2002, section 3.3), with the half-ulp bound u * ufp(t) where it is
sharper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import Format
from boundnet.machines.boxes import choose
from boundnet.machines.lipschitz import DEFINED_FROM, lipschitz
from boundnet.machines.stepwise import sigmoid_by_exp, softplus_by_thresholds
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, Mask, up


@dataclass(frozen=True)
class Tracked:
    """An enclosure of the exact value, an error bound, and the largest magnitude met on the way to it."""

    exact: Box
    error: Array
    overflow: Mask

    @property
    def magnitude(self) -> Array:
        """Largest magnitude of the computed value."""
        return up(self.exact.magnitude + self.error, 1)


_NO = np.False_


class RunningMachine:
    """Error bounds under an :class:`~boundnet.arithmetic.Arithmetic`.  Values are :class:`Tracked`.

    Args:
        arithmetic: of every operation.
        around: the model that weights and the result are stored by, where another one than ``arithmetic`` is.
    """

    def __init__(self, arithmetic: Arithmetic, around: Arithmetic | None = None) -> None:
        self.arithmetic = arithmetic
        self.around = around
        self._weights = arithmetic.storage if around is None else around.weights(normalises=True)
        # A perturbed x + 0, x * 1 or x / 1 is not x.
        self._exact_shortcuts = arithmetic.perturbation is None

    def variable(self, box: Box) -> Tracked:
        """An input that ranges over ``box`` and is held exactly: its own error belongs to the op's linear part."""
        return Tracked(box, np.zeros(np.shape(box.lo)), _NO)  # type: ignore[arg-type]

    @classmethod
    def inside(cls, arithmetic: Arithmetic, normalises: bool = True) -> Self:
        """The machine for an op, which may keep intermediate results if it ``normalises``."""
        inside = arithmetic.inside if normalises else arithmetic
        return cls(arithmetic) if inside is arithmetic else cls(inside, arithmetic)

    def constant(self, value: float) -> Tracked:
        return self._held(np.float64(value), self.arithmetic.storage)  # type: ignore[arg-type]

    def parameter(self, value: Array) -> Tracked:
        return self._held(value, self._weights)

    def result(self, value: Tracked) -> Tracked:
        """The op's result, stored where intermediate ones were not."""
        if self.around is None:
            return value
        error = self.around.store(value.exact.magnitude, value.error)
        reached = up(value.exact.magnitude + error, 1)
        return Tracked(value.exact, error, value.overflow | self.around.overflows(reached, reached))

    def _held(self, value: Array, storage: Format) -> Tracked:
        value = np.asarray(value, dtype=np.float64)
        rounding = self.arithmetic.one_rounding(np.abs(value), storage) + self.arithmetic.flush()
        error = np.where(storage.round(value) == value, 0.0, rounding)
        return Tracked(Box.exactly(value), error, ~(np.abs(value) < storage.largest))

    def add(self, a: Tracked, b: Tracked) -> Tracked:
        if self._exact_shortcuts and is_zero(a):
            return self._copied(b)
        if self._exact_shortcuts and is_zero(b):
            return self._copied(a)
        a, b = self._load(a), self._load(b)
        operands = up(a.magnitude + b.magnitude, 1)
        return self._rounded(a.exact + b.exact, up(a.error + b.error, 1), a.overflow | b.overflow, operands)

    def sub(self, a: Tracked, b: Tracked) -> Tracked:
        return self.add(a, self.negative(b))

    def mul(self, a: Tracked, b: Tracked) -> Tracked:
        if self._exact_shortcuts and is_one(b):
            return self._copied(a)
        if self._exact_shortcuts and is_one(a):
            return self._copied(b)
        same = a is b
        a, b = self._load(a), self._load(b)
        exact = a.exact.square() if same else a.exact * b.exact
        error = a.error * b.exact.magnitude + b.error * a.exact.magnitude + a.error * b.error
        zero = (_zeros(a) & _finite(b)) | (_zeros(b) & _finite(a))
        return _zeroed(self._rounded(exact, up(_defined(error), 4), a.overflow | b.overflow), zero)

    def div(self, a: Tracked, b: Tracked) -> Tracked:
        if self._exact_shortcuts and is_one(b):
            return self._copied(a)
        a, b = self._load(a), self._load(b)
        exact = a.exact / b.exact
        least = np.minimum(np.abs(b.exact.lo), np.abs(b.exact.hi)) * (1.0 - 2.0**-50) - b.error * (1.0 + 2.0**-50)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            error = (a.error + exact.magnitude * b.error) / least
        error = np.where(least > 0.0, up(_defined(error), 4), np.inf)
        return _zeroed(self._rounded(exact, error, a.overflow | b.overflow), _zeros(a) & (least > 0.0) & _finite(b))

    def maximum(self, a: Tracked, b: Tracked) -> Tracked:
        a, b = self._load(a), self._load(b)
        (a_low, a_high), (b_low, b_high) = _ends(a), _ends(b)
        error = np.where(a_low >= b_high, a.error, np.where(b_low >= a_high, b.error, np.maximum(a.error, b.error)))
        return Tracked(a.exact.maximum(b.exact), error, a.overflow | b.overflow)

    def minimum(self, a: Tracked, b: Tracked) -> Tracked:
        return self.negative(self.maximum(self.negative(a), self.negative(b)))

    def absolute(self, a: Tracked) -> Tracked:
        return Tracked(a.exact.absolute(), a.error, a.overflow)

    def negative(self, a: Tracked) -> Tracked:
        return Tracked(-a.exact, a.error, a.overflow)

    def where(self, x: Tracked, threshold: float, above: Tracked, below: Tracked, apart: Any = None) -> Tracked:
        exact = choose(x.exact, threshold, above.exact, below.exact)
        sure_above, sure_below = x.exact.lo >= threshold, x.exact.hi < threshold
        either = np.maximum(above.error, below.error)
        error = np.where(sure_above, above.error, np.where(sure_below, below.error, either))
        # A wrong branch is possible where the operand or the literal is off: then the two branches may differ altogether.
        x, level = self._load(x), self._load(self.constant(threshold))
        slack = up(x.error + level.error, 1)
        apart = np.inf if apart is None else np.abs(apart)
        low, high = np.nextafter(x.exact.lo - slack, -np.inf), np.nextafter(x.exact.hi + slack, np.inf)
        astray = (slack > 0.0) & (low <= threshold) & (high >= threshold)
        both = above.exact.hull(below.exact)
        with np.errstate(invalid="ignore"):
            gap = np.fmin(up(both.hi - both.lo, 1), _defined(up(apart * slack, 1)))
        error = np.where(astray, up(either + gap, 2), error)
        return Tracked(exact, error, above.overflow | below.overflow)

    def function(self, name: str, a: Tracked) -> Tracked:
        a = self._load(a)
        rules = self.arithmetic
        exact = a.exact.function(name)
        wide = Box.around(a.exact.lo, a.error).hull(Box.around(a.exact.hi, a.error))
        image = wide.function(name)
        reached = image.magnitude
        if name in DEFINED_FROM:
            reached = np.where(wide.lo < DEFINED_FROM[name], np.inf, reached)
        carried = np.where(a.error == 0.0, 0.0, up(_defined(lipschitz(name, wide) * a.error), 1))
        # Whatever the operand is off by, a bounded function moves no further than its own range.
        width = up(image.hi - image.lo, 1)
        carried = np.where((a.error > 0.0) & (width < carried), width, carried)
        fmt = rules.accumulate
        ulp = rules.ulp(name)
        # k ulp of the computed operand's image; eta covers subnormal results, flushing included.
        own = up(2.0 * ulp * fmt.unit_roundoff * reached + max(ulp, 0.5) * fmt.smallest_subnormal, 2)
        own = np.where(reached == 0.0, 0.0, own + rules.flush())
        if rules.perturbation is not None and name in ("rsqrt", "softplus"):
            # 1 / sqrt(x), and max(x, 0) + log1p(exp(-|x|)): one operation of theirs may be a perturbed one.
            own = up(own + rules.operation_relative * (reached + own) + rules.absolute(fmt), 4)
        if name == "sigmoid":
            own = np.maximum(own, sigmoid_by_exp(rules, reached))
        if name == "softplus":
            own = up(own + softplus_by_thresholds(rules, wide), 1)
        if name == "exp":
            one = _zeros(a)
            exact, own = Box(np.where(one, 1.0, exact.lo), np.where(one, 1.0, exact.hi)), np.where(one, 0.0, own)
        error = up(_defined(carried + own), 2)
        return self._stored(exact, error, a.overflow | rules.overflows(up(reached + own, 1), np.float64(0.0)))  # type: ignore[arg-type]

    def power(self, a: Tracked, n: int) -> Tracked:
        """a**n, n = 2 or 3, by a library's pow."""
        a = self._load(a)
        rules, fmt = self.arithmetic, self.arithmetic.accumulate
        exact = a.exact.square() if n == 2 else a.exact.square() * a.exact
        size, e = a.exact.magnitude, a.error
        # (a + e)**n - a**n
        carried = up(_defined(e * (2.0 * size + e) if n == 2 else e * (3.0 * size * (size + e) + e * e)), 8)
        reached = up(exact.magnitude + carried, 1)
        ulp = rules.ulp("pow")
        own = up(2.0 * ulp * fmt.unit_roundoff * reached + max(ulp, 0.5) * fmt.smallest_subnormal + rules.flush(), 3)
        error = up(_defined(carried + np.where(reached == 0.0, 0.0, own)), 2)
        result = self._stored(exact, error, a.overflow | rules.overflows(up(reached + own, 1), np.float64(0.0)))  # type: ignore[arg-type]
        return _zeroed(result, _zeros(a))

    def either(self, choices: Sequence[Callable[[], Tracked]]) -> Tracked:
        """One of several ways to compute the same number: the largest error of any (docs/explanation/theory.md)."""
        found = [choice() for choice in choices]
        exact = Box(np.maximum.reduce([t.exact.lo for t in found]), np.minimum.reduce([t.exact.hi for t in found]))
        error = np.maximum.reduce([t.error for t in found])
        return Tracked(exact, error, np.logical_or.reduce([t.overflow for t in found]))

    def _copied(self, a: Tracked) -> Tracked:
        """a + 0, a * 1 or a / 1: exact unless it is flushed on the way."""
        error = np.where(a.magnitude == 0.0, 0.0, up(a.error + self.arithmetic.flush(), 1))
        return Tracked(a.exact, error if self.arithmetic.flushes else a.error, a.overflow)

    def _load(self, a: Tracked) -> Tracked:
        """Read an operand: DAZ may replace a subnormal one by zero."""
        if not self.arithmetic.flushes_operands:
            return a
        least = self.arithmetic.flush()
        error = np.where(a.magnitude == 0.0, 0.0, up(a.error + least, 1))
        return Tracked(a.exact, error, a.overflow)

    def _rounded(self, exact: Box, carried: Array, overflow: Mask, operands: Array | None = None) -> Tracked:
        """One operation in the accumulator on operands whose errors amount to ``carried``, then a store.

        ``operands``: bound of |a| + |b| for sums (:meth:`boundnet.arithmetic.Arithmetic.operation`).
        """
        reached = up(exact.magnitude + carried, 1)
        own = self.arithmetic.operation(reached, operands)
        own = np.where((reached == 0.0) & (own == 0.0), 0.0, own + self.arithmetic.flush())
        return self._stored(exact, up(_defined(carried + own), 2), overflow)

    def _stored(self, exact: Box, error: Array, overflow: Mask) -> Tracked:
        stored = self.arithmetic.store(exact.magnitude, error)
        reached = up(exact.magnitude + stored, 1)
        return Tracked(exact, stored, overflow | self.arithmetic.overflows(reached, reached))


def _defined(error: Array) -> Array:
    """inf - inf and 0 * inf mean that nothing is known."""
    return np.where(np.isnan(error), np.inf, error)


def _ends(a: Tracked) -> tuple[Array, Array]:
    """Bounds of the computed value."""
    low, high = np.nextafter(a.exact.lo - a.error, -np.inf), np.nextafter(a.exact.hi + a.error, np.inf)
    exact = a.error == 0.0
    return np.where(exact, a.exact.lo, low), np.where(exact, a.exact.hi, high)


def _zeros(a: Tracked) -> Mask:
    """Where the value is exactly 0 in every execution."""
    zeros: Mask = (a.exact.lo == 0.0) & (a.exact.hi == 0.0) & (a.error == 0.0)
    return zeros


def _finite(a: Tracked) -> Mask:
    return np.isfinite(a.magnitude) & ~a.overflow


def _zeroed(a: Tracked, zero: Mask) -> Tracked:
    """``a`` where ``zero`` marks products and quotients of exact zeros: outward rounding would lose them."""
    if not np.any(zero):
        return a
    exact = Box(np.where(zero, 0.0, a.exact.lo), np.where(zero, 0.0, a.exact.hi))
    return Tracked(exact, np.where(zero, 0.0, a.error), a.overflow)


def is_zero(a: Tracked) -> bool:
    """Whether ``a`` is the scalar 0, held exactly."""
    return a.exact.lo.ndim == 0 and a.exact.lo == 0.0 and a.exact.hi == 0.0 and not np.any(a.error)


def is_one(a: Tracked) -> bool:
    """Whether ``a`` is the scalar 1, held exactly."""
    return a.exact.lo.ndim == 0 and a.exact.lo == 1.0 and a.exact.hi == 1.0 and not np.any(a.error)
