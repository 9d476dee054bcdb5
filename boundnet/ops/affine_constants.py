"""What rounding does to the constants of an elementwise affine op: y = A + B x becomes A^ + B^ x for all elements alike.

A^ + B^ x - (A + B x) = (B^ - B)(x - pivot) + (A^ + B^ pivot - A - B pivot), so that two errors for each weight say it all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from boundnet.machines.running import RunningMachine, Tracked
from boundnet.maps import Diagonal, LinearMap
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, up
from boundnet.roundoff.mean_independent.split import Split


@dataclass(frozen=True)
class Constants:
    """Bounds of |B^ - B| and |A^ + B^ pivot - A - B pivot|, and the pivot; all broadcast against the op's input."""

    gain: Array
    offset: Array
    pivot: Array


Rule = Callable[[RunningMachine], Constants]


def settled(value: Tracked) -> Tracked:
    """What was computed for ``value``, as an operand that is exact by itself."""
    low = np.nextafter(value.exact.lo - value.error, -np.inf)
    high = np.nextafter(value.exact.hi + value.error, np.inf)
    none = value.error == 0.0
    box = Box(np.where(none, value.exact.lo, low), np.where(none, value.exact.hi, high))
    return Tracked(box, np.zeros(np.shape(value.error)), value.overflow)


def quotient_error(top: Tracked, bottom: Tracked) -> Array:
    """Bound of |top^ / bottom^ - top / bottom| before that quotient is rounded; inf where the divisor may vanish."""
    least = np.minimum(np.abs(bottom.exact.lo), np.abs(bottom.exact.hi)) * (1.0 - 2.0**-50)
    nearest = least - bottom.error * (1.0 + 2.0**-50)
    with np.errstate(all="ignore"):
        found = up((top.error + top.exact.magnitude / least * bottom.error) / nearest, 6)
    return np.where((nearest > 0.0) & ~np.isnan(found), found, np.inf)


def product_error(a: Tracked, b: Tracked) -> Array:
    """Bound of |a^ b^ - a b| before that product is rounded."""
    with np.errstate(invalid="ignore"):
        found = up(a.error * (b.exact.magnitude + b.error) + b.error * a.exact.magnitude, 4)
    return np.where(np.isnan(found), np.inf, found)


def largest(*found: Constants) -> Constants:
    """The largest errors over evaluation forms with one pivot."""
    return reduce(lambda a, b: replace(a, gain=np.maximum(a.gain, b.gain), offset=np.maximum(a.offset, b.offset)), found)


def with_constants(split: Split, found: Constants, centre: Array, radius: Array) -> Split:
    """``split`` of an op's own roundings together with the errors of its constants, which many elements share."""
    shape = centre.shape[1:]
    gain, offset = (_lifted(part, len(shape)) for part in (found.gain, found.offset))
    pattern = centre - found.pivot
    parts: list[tuple[LinearMap, Array]] = []
    biased = split.biased
    if np.any(gain):
        parts.append((Diagonal(pattern, gain.shape[1:], shape), gain))
        # The pattern at the centre: x^ is off by the radius, the subtraction by a rounding.
        size = np.abs(centre) + np.abs(found.pivot)
        with np.errstate(invalid="ignore"):
            missed = up(gain * (radius + size * 2.0**-52), 4)
        biased = up(biased + np.where(np.isnan(missed), np.inf, missed), 1)
    if np.any(offset):
        parts.append((Diagonal(np.ones(shape), offset.shape[1:], shape), offset))
    return Split(biased, split.deviation, tuple(parts))


def _lifted(value: Array, rank: int) -> Array:
    """(1, *shape with ``rank`` axes)."""
    value = np.asarray(value, dtype=np.float64)
    return value.reshape((1,) * (rank + 1 - value.ndim) + value.shape)
