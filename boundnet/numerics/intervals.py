"""Vectorised interval arithmetic: pairs of float64 arrays with outward rounding.

Each bound is the nearest-rounded result moved one float outwards, which encloses the exact one
(IEEE 1788-2015, 12.9: accuracy mode ``valid``).  NaN bounds become the whole line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundnet.numerics.accuracy import GLIBC_FLOAT64
from boundnet.numerics.elementary import VECTOR
from boundnet.numerics.outward import Array


@dataclass(frozen=True)
class Box:
    """Arrays of intervals [lo, hi]; lo and hi broadcast against each other."""

    lo: Array
    hi: Array

    @staticmethod
    def exactly(value: Array | float) -> Box:
        """Degenerate intervals at ``value``."""
        point = np.asarray(value, dtype=np.float64)
        return Box(point, point)

    @staticmethod
    def around(centre: Array, radius: Array) -> Box:
        """[centre - radius, centre + radius], rounded outwards; exact where the radius is 0."""
        box = _outward(centre - radius, centre + radius)
        exact = radius == 0.0
        return Box(np.where(exact, centre, box.lo), np.where(exact, centre, box.hi))

    @property
    def magnitude(self) -> Array:
        """sup |x| over the interval."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    def __add__(self, other: Box) -> Box:
        return _outward(self.lo + other.lo, self.hi + other.hi)

    def __sub__(self, other: Box) -> Box:
        return _outward(self.lo - other.hi, self.hi - other.lo)

    def __neg__(self) -> Box:
        return Box(-self.hi, -self.lo)

    def __mul__(self, other: Box) -> Box:
        with np.errstate(invalid="ignore", over="ignore"):
            ends = [_times(a, b) for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        return _outward(np.minimum.reduce(ends), np.maximum.reduce(ends))

    def __truediv__(self, other: Box) -> Box:
        through_zero = (other.lo <= 0) & (other.hi >= 0)
        with np.errstate(all="ignore"):
            ends = [a / b for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
            box = _outward(np.minimum.reduce(ends), np.maximum.reduce(ends))
        return Box(np.where(through_zero, -np.inf, box.lo), np.where(through_zero, np.inf, box.hi))

    def square(self) -> Box:
        """x**2, nonnegative."""
        small = np.where((self.lo <= 0) & (self.hi >= 0), 0.0, np.minimum(np.abs(self.lo), np.abs(self.hi)))
        box = _outward(small * small, self.magnitude * self.magnitude)
        return Box(np.maximum(box.lo, 0.0), box.hi)

    def maximum(self, other: Box) -> Box:
        """max(x, y)."""
        return Box(np.maximum(self.lo, other.lo), np.maximum(self.hi, other.hi))

    def minimum(self, other: Box) -> Box:
        """min(x, y)."""
        return Box(np.minimum(self.lo, other.lo), np.minimum(self.hi, other.hi))

    def absolute(self) -> Box:
        """|x|."""
        inside = (self.lo <= 0) & (self.hi >= 0)
        return Box(np.where(inside, 0.0, np.minimum(np.abs(self.lo), np.abs(self.hi))), self.magnitude)

    def hull(self, other: Box) -> Box:
        """Smallest intervals that hold both."""
        return Box(np.minimum(self.lo, other.lo), np.maximum(self.hi, other.hi))

    def clip(self, low: float, high: float) -> Box:
        """Intersection with [low, high], for quantities known to lie there."""
        return Box(np.clip(self.lo, low, high), np.clip(self.hi, low, high))

    def function(self, name: str) -> Box:
        """An elementary function of every element.  All but ``reciprocal`` are monotone; ``rsqrt`` decreases."""
        if name == "reciprocal":
            return Box.exactly(1.0) / self
        k = GLIBC_FLOAT64.of(name) + 1.0
        with np.errstate(all="ignore"):
            low, high = VECTOR[name](self.lo), VECTOR[name](self.hi)
            if name == "rsqrt":
                low, high = high, low
            low = low - np.abs(low) * (k * 2.0**-52) - 2.0**-1060
            high = high + np.abs(high) * (k * 2.0**-52) + 2.0**-1060
        floor, ceiling = _RANGE.get(name, (-np.inf, np.inf))
        box = _outward(low, high)
        return Box(np.maximum(box.lo, floor), np.minimum(box.hi, ceiling))


_RANGE = {
    "exp": (0.0, np.inf), "expm1": (-1.0, np.inf), "tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "erf": (-1.0, 1.0),
    "softplus": (0.0, np.inf), "sqrt": (0.0, np.inf), "rsqrt": (0.0, np.inf),
}  # fmt: skip


def _times(a: Array, b: Array) -> Array:
    """a * b with 0 * inf = 0, as the product of bounds demands."""
    product = a * b
    return np.where((a == 0.0) | (b == 0.0), 0.0, product)


COMPILED = 1 << 12
"""Elements from which on the compiled kernel pays."""


def _outward(lo: Array, hi: Array) -> Box:
    if np.size(lo) >= COMPILED and np.size(hi) >= COMPILED:
        from boundnet.kernels.outward import outward

        below, above = np.empty(np.shape(lo)), np.empty(np.shape(hi))
        flat = (np.ascontiguousarray(a).reshape(-1) for a in (lo, hi, below, above))
        outward(*flat)
        return Box(below, above)
    low = np.nextafter(np.where(np.isnan(lo), -np.inf, lo), -np.inf)
    high = np.nextafter(np.where(np.isnan(hi), np.inf, hi), np.inf)
    return Box(low, high)
