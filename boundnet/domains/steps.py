"""Intervals with both ends: what a step function leaves of a range lies on one side of its centre as a rule."""

from __future__ import annotations

import numpy as np

from boundnet.domains.base import capped, noise_of
from boundnet.numerics.outward import TINY, Array, gamma, up
from boundnet.ops.base import Local


class SteppedIntervals:
    """As :class:`boundnet.domains.interval.IntervalDomain`, for D in mid +- half instead of |D| <= E.

    |D - mid| <= half passes through a linear map as mid_y = L mid, half_y = |L| half, and the op's own enclosure of its
    result, where it has one, cuts off what sticks out.
    """

    def __init__(self) -> None:
        self._mid: dict[str, Array] = {}
        self._half: dict[str, Array] = {}
        self._ends: dict[str, tuple[Array, Array]] = {}

    def enter(self, name: str, radius: Array) -> Array:
        self._mid[name], self._half[name] = np.zeros(radius.shape), radius
        return radius

    def ends(self, name: str) -> tuple[Array, Array]:
        """Numbers that enclose every value of node ``name``."""
        return self._ends[name]

    def push(self, name: str, inputs: tuple[str, ...], local: Local, centre: Array) -> Array:
        half, mid = noise_of(local), np.zeros(centre.shape)
        if local.shift is not None:
            mid = mid + local.shift
            half = half + np.abs(local.shift) * gamma(len(inputs) + 1)
        for source, linear in zip(inputs, local.maps, strict=True):
            half = half + linear.absolute(self._half[source])
            moved = self._mid[source]
            if moved.any():
                mid = mid + linear.apply(moved)
                half = half + gamma(linear.fan_in + len(inputs) + 2) * linear.absolute(np.abs(moved))
        half = up(half, 2 * len(inputs) + 4)
        low, high = _outward(mid - half, mid + half, half)
        if local.ends is not None:
            low = np.fmax(low, _difference(local.ends[0], centre, -np.inf))
            high = np.fmin(high, _difference(local.ends[1], centre, np.inf))
        radius = capped(np.maximum(np.abs(low), np.abs(high)), local)
        radius = np.where(np.isfinite(centre) & (low <= high), radius, np.inf)
        radius = np.where(local.zero, 0.0, np.where(radius == 0.0, 0.0, np.maximum(radius, TINY)))
        still, known = radius == 0.0, np.isfinite(radius)
        low, high = (np.where(still | ~known, 0.0, end) for end in (low, high))
        mid = 0.5 * low + 0.5 * high
        half = up(np.maximum(high - mid, mid - low), 2)
        self._mid[name] = mid
        self._half[name] = np.where(known, half, np.inf)
        self._ends[name] = self._enclosed(local, centre, low, high, known)
        return radius

    @staticmethod
    def _enclosed(local: Local, centre: Array, low: Array, high: Array, known: Array) -> tuple[Array, Array]:
        """centre + D, rounded outwards, and never beyond the op's own enclosure."""
        least, most = np.where(low == 0.0, centre, np.nextafter(centre + low, -np.inf)), high
        most = np.where(high == 0.0, centre, np.nextafter(centre + high, np.inf))
        if local.ends is not None:
            least, most = np.fmax(least, local.ends[0]), np.fmin(most, local.ends[1])
        return np.where(known, least, -np.inf), np.where(known, most, np.inf)


def _outward(low: Array, high: Array, half: Array) -> tuple[Array, Array]:
    """Ends as rounded, one float further out where there is any width."""
    return np.where(half == 0.0, low, np.nextafter(low, -np.inf)), np.where(half == 0.0, high, np.nextafter(high, np.inf))


def _difference(a: Array, b: Array, way: float) -> Array:
    """a - b rounded towards ``way``, exactly where a number and itself are subtracted."""
    return np.where(a == b, 0.0, np.nextafter(a - b, way))


__all__ = ["SteppedIntervals"]
