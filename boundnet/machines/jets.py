"""The machine that encloses derivatives: second-order Taylor arithmetic over intervals.

A jet holds enclosures of f, f' and f'' of one variable over an interval (Rump 2010, section 11.5).  At a kink the
derivative is the hull of both
sides, and ``smooth`` turns False: f'' then says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.machines.boxes import choose
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, Mask

ZERO, ONE, TWO = Box.exactly(0.0), Box.exactly(1.0), Box.exactly(2.0)
_TWO_OVER_ROOT_PI = Box(np.float64(1.1283791670955125), np.float64(1.1283791670955128))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Jet:
    """Enclosures of value, first and second derivative; ``smooth`` tells where no kink lies inside."""

    value: Box
    slope: Box
    curvature: Box
    smooth: Mask


class JetMachine:
    """Interval Taylor arithmetic of order two.  Values are :class:`Jet`."""

    def variable(self, box: Box) -> Jet:
        """The independent variable ranging over ``box``."""
        return Jet(box, ONE, ZERO, np.ones(np.shape(box.lo), dtype=np.bool_))

    def constant(self, value: float) -> Jet:
        return self.parameter(np.float64(value))  # type: ignore[arg-type]

    def parameter(self, value: Array) -> Jet:
        return Jet(Box.exactly(value), ZERO, ZERO, np.True_)  # type: ignore[arg-type]

    def add(self, a: Jet, b: Jet) -> Jet:
        return Jet(a.value + b.value, a.slope + b.slope, a.curvature + b.curvature, a.smooth & b.smooth)

    def sub(self, a: Jet, b: Jet) -> Jet:
        return self.add(a, self.negative(b))

    def mul(self, a: Jet, b: Jet) -> Jet:
        value = a.value.square() if a is b else a.value * b.value
        slope = a.slope * b.value + a.value * b.slope
        curvature = a.curvature * b.value + TWO * (a.slope * b.slope) + a.value * b.curvature
        return Jet(value, slope, curvature, a.smooth & b.smooth)

    def div(self, a: Jet, b: Jet) -> Jet:
        inverse = ONE / b.value
        first = -(inverse.square())
        second = TWO * (inverse * inverse.square())
        return self.mul(a, self._chain(b, inverse, first, second))

    def maximum(self, a: Jet, b: Jet) -> Jet:
        return self._pick(self.sub(a, b).value, a, b)

    def minimum(self, a: Jet, b: Jet) -> Jet:
        return self._pick(self.sub(b, a).value, a, b)

    def absolute(self, a: Jet) -> Jet:
        picked = self._pick(a.value, a, self.negative(a))
        return Jet(a.value.absolute(), picked.slope, picked.curvature, picked.smooth)

    def negative(self, a: Jet) -> Jet:
        return Jet(-a.value, -a.slope, -a.curvature, a.smooth)

    def where(self, x: Jet, threshold: float, above: Jet, below: Jet, apart: Any = None) -> Jet:
        kink = (x.value.lo < threshold) & (x.value.hi >= threshold)
        value = choose(x.value, threshold, above.value, below.value)
        slope = choose(x.value, threshold, above.slope, below.slope)
        curvature = choose(x.value, threshold, above.curvature, below.curvature)
        return Jet(value, slope, curvature, above.smooth & below.smooth & ~kink)

    def function(self, name: str, a: Jet) -> Jet:
        y = a.value.function(name)
        first, second = _derivatives(name, a.value, y)
        return self._chain(a, y, first, second)

    def _pick(self, difference: Box, a: Jet, b: Jet) -> Jet:
        return self.where(Jet(difference, ONE, ZERO, a.smooth), 0.0, a, b)

    def _chain(self, a: Jet, value: Box, first: Box, second: Box) -> Jet:
        return Jet(value, first * a.slope, second * a.slope.square() + first * a.curvature, a.smooth)


def _derivatives(name: str, x: Box, y: Box) -> tuple[Box, Box]:
    """Enclosures of the first and second derivative of an elementary function, given its value."""
    if name in ("exp", "expm1"):
        e = x.function("exp")
        return e, e
    if name in ("log", "log1p"):
        inverse = ONE / (x if name == "log" else x + ONE)
        return inverse, -(inverse.square())
    if name == "tanh":
        slope = (ONE - y.square()).clip(0.0, 1.0)
        return slope, (-(TWO * (y * slope))).clip(-0.76980035891952, 0.76980035891952)
    if name == "sigmoid":
        slope = (y * (ONE - y)).clip(0.0, 0.25)
        return slope, (slope * (ONE - TWO * y)).clip(-0.0962250448649377, 0.0962250448649377)
    if name == "softplus":
        s = x.function("sigmoid")
        return s, (s * (ONE - s)).clip(0.0, 0.25)
    if name == "erf":
        slope = _TWO_OVER_ROOT_PI * (-(x.square())).function("exp")
        return slope, -(TWO * (x * slope))
    if name == "sqrt":
        slope = ONE / (TWO * y)
        return slope, -(slope / (TWO * x))
    if name == "rsqrt":
        slope = -(y * (y.square() / TWO))
        return slope, Box.exactly(0.75) * (y * y.square().square())
    raise KeyError(name)
