"""Which of several intervals a number lies in: a piecewise constant op, exact where the data decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.errors import GraphError
from boundnet.maps import Zero
from boundnet.numerics.outward import Array, up
from boundnet.ops.base import Local, Op, Shape, Tensor
from boundnet.roundoff.rounder import Rounder


@dataclass(frozen=True, eq=False)
class Bucket(Op):
    """y = number of ``boundaries`` that are <= x, a whole number.

    Code holds boundaries as literals, which may be rounded: beside one, computed and exact number may differ.
    """

    boundaries: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(a < b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise GraphError(f"Bucket: boundaries {self.boundaries} do not increase")
        if not np.all(np.isfinite(self.boundaries)):
            raise GraphError(f"Bucket: boundaries {self.boundaries} are not finite")

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def centre(self, *xs: Array) -> Array:
        return _passed(xs[0], np.asarray(self.boundaries))

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        if not self.boundaries:
            return machine.parameter(np.zeros(xs[0].shape))
        total = machine.constant(0.0)
        for number, boundary in enumerate(self.boundaries, 1):
            total = machine.where(xs[0], boundary, machine.constant(float(number)), total)
        return total

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        value = self.centre(x.centre)
        low, high = _ends(x)
        edges = np.asarray(self.boundaries)
        least, most = _passed(low, edges), _passed(high, edges)
        strip = np.maximum(most - value, value - least)
        known = strip == 0.0
        moved = self._doubtful(rounder, low, high)
        # Numbers that the storage format lacks are rounded; any may come out where something is open.
        stored = np.where(known & (moved == 0.0), rounder.stored_error(value), self._largest_error(rounder))
        zero = known & (moved == 0.0) & (value == 0.0)
        shape = x.centre.shape[1:]
        error = up(moved + stored, 1)
        return Local((Zero(shape, shape),), np.where(zero, 0.0, error), zero, np.zeros(zero.shape, dtype=np.bool_),
                     strip=strip, cap=strip)  # fmt: skip

    def _largest_error(self, rounder: Rounder) -> float:
        """Of storing any of the numbers that may come out."""
        return float(rounder.stored_error(np.arange(len(self.boundaries) + 1.0)).max())

    def _doubtful(self, rounder: Rounder, low: Array, high: Array) -> Array:
        """How many boundaries an execution may see on the other side of an x in [low, high]."""
        if rounder.arithmetic is None or not self.boundaries:
            return np.zeros(low.shape)
        edges = np.asarray(self.boundaries)
        slack = rounder.stored_error(edges)
        flush = rounder.arithmetic.flush()
        if rounder.arithmetic.flushes_operands:
            # Both sides of the comparison may be read as 0.
            slack = np.where(np.abs(edges) <= 4.0 * flush, slack + 2.0 * flush, slack)
        above, below = (np.nextafter(edges + side * up(slack, 1), side * np.inf) for side in (1.0, -1.0))
        found = (slack > 0.0) & (low[..., None] < above) & (high[..., None] >= below)
        return np.asarray(found.sum(axis=-1), dtype=np.float64)

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        """Two points of a range differ by at most its number of boundaries inside."""
        low, high = _ends(xs[0])
        edges = np.asarray(self.boundaries)
        return _passed(high, edges) - _passed(low, edges)

    def describe(self) -> str:
        return f"Bucket of {len(self.boundaries)} boundaries"


def _ends(x: Tensor) -> tuple[Array, Array]:
    """The ends of every element's range."""
    with np.errstate(invalid="ignore"):
        low, high = np.nextafter(x.centre - x.radius, -np.inf), np.nextafter(x.centre + x.radius, np.inf)
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    fixed = x.radius == 0.0
    return np.where(fixed, x.centre, low), np.where(fixed, x.centre, high)


def _passed(x: Array, edges: Array) -> Array:
    """Number of ``edges`` <= x."""
    return np.searchsorted(edges, x, side="right").astype(np.float64)
