"""Rounding to storage as a step function: from an enclosure of a value before it is stored to one of the stored number.

store() is monotone for any deterministic direction with a declared tie rule, so a value in [lo, hi] is stored as a number in
[store(lo), store(hi)]; where both are the same number the rounding is decided and the deviation exactly 0
(docs/explanation/theory.md, "Storing is a step").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import Format
from boundnet.machines.errorfree import two_sum
from boundnet.numerics.outward import Array, Mask, up
from boundnet.roundoff.grids import exponent_of, grid_between, trailing


@dataclass(frozen=True)
class Stored:
    """Numbers of the storage format that a value in some range may be stored as, and how far from itself.

    Attributes:
        low, high: smallest and largest of them.
        moved: bound of |stored - value|.
    """

    low: Array
    high: Array
    moved: Array


def steps(arithmetic: Arithmetic) -> bool:
    """Whether storing is a step function: it rounds, in a declared direction, whatever tensor."""
    known = arithmetic.rounding in ("nearest", "toward_zero") and arithmetic.perturbation is None
    return known and arithmetic.widens and arithmetic.stores == "all"


def store(arithmetic: Arithmetic, value: Array) -> Array:
    """``value`` rounded once into the storage format, ties to even."""
    return arithmetic.storage.round(value, "toward_zero" if arithmetic.rounding == "toward_zero" else "nearest")


def stored_between(arithmetic: Arithmetic, low: Array, high: Array) -> Stored:
    """What values in [low, high] are stored as; NaN ends give NaN."""
    reached = np.maximum(np.abs(low), np.abs(high))
    moved = arithmetic.one_rounding(reached, arithmetic.storage)
    if arithmetic.ties == "any" and arithmetic.nearest:
        return Stored(_half_way(arithmetic.storage, low, "down"), _half_way(arithmetic.storage, high, "up"), moved)
    return Stored(store(arithmetic, low), store(arithmetic, high), moved)


def stored_apart(arithmetic: Arithmetic, low: Array, high: Array, bias: Array) -> Stored:
    """The same where the sum without ``bias`` is stored first: [low, high] encloses the value with it.

    The stored sum is read, the bias added in the accumulator, and the result stored.
    """
    first = stored_between(arithmetic, _plus(low, -bias, -np.inf), _plus(high, -bias, np.inf))
    flushed = _flushed(arithmetic, first, bias)
    least, most = _plus(first.low, bias, -np.inf), _plus(first.high, bias, np.inf)
    least = np.where(flushed == 0.0, least, _plus(least, -flushed, -np.inf))
    most = np.where(flushed == 0.0, most, _plus(most, flushed, np.inf))
    # However the accumulator rounds, it is one of the neighbours, and their bounds are monotone.
    fmt = arithmetic.accumulate
    last = stored_between(arithmetic, fmt.round(least, "down"), fmt.round(most, "up"))
    reached = up(np.maximum(np.abs(first.low), np.abs(first.high)) + np.abs(bias) + flushed, 2)
    added = arithmetic.operation(reached) + flushed
    return Stored(last.low, last.high, up(first.moved + added + last.moved, 3))


def middle(low: Array, high: Array) -> tuple[Array, Array]:
    """Midpoint and half-width of [low, high], the half-width rounded up where either is not exact."""
    with np.errstate(invalid="ignore", over="ignore"):
        mid = 0.5 * low + 0.5 * high
        parts = [two_sum(high, -mid), two_sum(mid, -low)]
        half = np.maximum(parts[0][0], parts[1][0])
        exact = (parts[0][1] == 0.0) & (parts[1][1] == 0.0)
        return mid, np.where(exact, half, up(half, 2))


def boundary_distance(arithmetic: Arithmetic, value: Array) -> Array:
    """Distance to the nearest value that is stored as another number, rounded down; 0 where it is not known."""
    if not arithmetic.nearest:
        return np.zeros(value.shape)
    fmt = arithmetic.storage
    with np.errstate(invalid="ignore", over="ignore"):
        kept = fmt.round(value)
        below = fmt.round(np.nextafter(kept, -np.inf), "down")
        above = fmt.round(np.nextafter(kept, np.inf), "up")
        apart = np.minimum(value - (0.5 * kept + 0.5 * below), (0.5 * kept + 0.5 * above) - value)
    return np.where(apart > 0.0, apart * (1.0 - 2.0**-40), 0.0)


def _plus(a: Array, b: Array, way: float) -> Array:
    """a + b, rounded towards ``way`` where it is not exact."""
    with np.errstate(invalid="ignore", over="ignore"):
        high, low = two_sum(a, b)
        return np.where(low == 0.0, high, np.nextafter(high, way))


def _flushed(arithmetic: Arithmetic, first: Stored, bias: Array) -> Array:
    """What flushing may change in stored + bias: both operands and the sum; 0 where nothing there can be subnormal."""
    if not arithmetic.flushes:
        return np.zeros(np.broadcast_shapes(first.low.shape, np.shape(bias)))
    least = np.minimum(grid_between(arithmetic.storage, first.low, first.high), trailing(bias))
    return np.where(least >= exponent_of(arithmetic.flush()), 0.0, 3.0 * arithmetic.flush())


def _half_way(fmt: Format, value: Array, ties: str) -> Array:
    """To nearest, ties ``down`` or ``up``."""
    down, top = fmt.round(value, "down"), fmt.round(value, "up")
    with np.errstate(invalid="ignore"):
        tie = value - down == top - value
    usual: Mask = np.isfinite(down) & np.isfinite(top) & tie
    return np.where(usual, down if ties == "down" else top, fmt.round(value))


__all__ = ["Stored", "boundary_distance", "middle", "steps", "store", "stored_apart", "stored_between"]
