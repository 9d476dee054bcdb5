"""An accumulator's value written to memory: the op that rounds, apart from the one that computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.maps import Diagonal
from boundnet.numerics.outward import Array, Mask, up
from boundnet.ops.base import Local, Op, Shape, Tensor
from boundnet.roundoff.grids import grid_between, trailing
from boundnet.roundoff.rounder import Rounder
from boundnet.roundoff.storing import Stored, boundary_distance, middle, store, stored_apart, stored_between


@dataclass(frozen=True, eq=False)
class Store(Op):
    """y = x rounded to the storage format.

    Attributes:
        arithmetic: of the op whose value is stored.
        bias: part of x that a machine may add to the sum once that is stored (``bias`` of the Arithmetic), None for none.
    """

    arithmetic: Arithmetic
    bias: Array | None = None

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def centre(self, *xs: Array) -> Array:
        (x,) = xs
        if self.bias is not None and self.arithmetic.bias == "separate":
            return store(self.arithmetic, store(self.arithmetic, x - self.bias) + self.bias)
        return store(self.arithmetic, x)

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return machine.store(xs[0])

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        """The thinner of two strips: slope 0 over the numbers that x may be stored as, slope 1 and the distance it is moved.

        Where there is only one such number the rounding is decided: slope 0 and no noise.
        """
        (x,) = xs
        centre = self.centre(x.centre)
        with np.errstate(invalid="ignore", over="ignore"):
            found = self._found(*x.range())
            low, high = np.minimum(found.low, centre), np.maximum(found.high, centre)
            mid, half = middle(low, high)
            linear = found.moved < half
            decided = low == high
            slope = np.where(linear & ~decided, 1.0, 0.0)
            apart, shift = x.centre - centre, mid - centre
            # The float64 error of both differences.
            slip = np.where(linear, (np.abs(x.centre) + np.abs(centre)) * 2.0**-52, np.abs(shift) * 2.0**-52)
            exact = np.where(linear, centre + apart == x.centre, centre + shift == mid)
            strip = np.where(linear, found.moved, half)
            strip = np.where(exact, strip, up(strip + slip, 2))
            cap = np.maximum(high - centre, centre - low)
        largest = self.arithmetic.storage.largest
        overflow = ~((np.abs(low) < largest) & (np.abs(high) < largest))
        zero = (decided & (centre == 0.0)) | (x.zero & ~overflow)
        shift = np.where(decided | zero, 0.0, np.where(linear, apart, shift))
        strip = np.where(decided | zero, 0.0, np.where(np.isnan(strip), np.inf, strip))
        shape = centre.shape[1:]
        return Local(
            (Diagonal(slope, shape, shape),), np.where(np.isfinite(shift), strip, np.inf), zero, overflow,
            np.where(np.isfinite(shift), shift, 0.0), cap=np.where(overflow, np.inf, up(cap, 1)), stores=True,
            grid=np.minimum(grid_between(self.arithmetic.storage, low, high), trailing(centre)),
            ends=(np.where(overflow, -np.inf, low), np.where(overflow, np.inf, high)),
        )  # fmt: skip

    @property
    def _at_once(self) -> bool:
        """Whether nothing is stored before this."""
        return self.bias is None or self.arithmetic.bias in ("first", "last")

    def _found(self, low: Array, high: Array) -> Stored:
        """What values in [low, high] are stored as, wherever the bias is added."""
        rules = self.arithmetic
        if self.bias is None or self._at_once:
            return stored_between(rules, low, high)
        apart = stored_apart(rules, low, high, self.bias)
        if rules.bias == "separate":
            return apart
        once = stored_between(rules, low, high)
        return Stored(
            np.minimum(once.low, apart.low), np.maximum(once.high, apart.high), np.maximum(once.moved, apart.moved)
        )

    def undecided(self, *xs: Tensor) -> tuple[Mask | None, ...]:
        (x,) = xs
        with np.errstate(invalid="ignore", over="ignore"):
            found = self._found(*x.range())
        return (~(found.low == found.high) & (x.radius > 0.0),)

    def clearance(self, *xs: Tensor) -> tuple[Array | None, ...]:
        return (boundary_distance(self.arithmetic, xs[0].centre) if self._at_once else None,)

    def describe(self) -> str:
        return f"Store {self.arithmetic.storage.name}"


@dataclass(frozen=True, eq=False)
class Unstored(Op):
    """``op`` with its result left in the accumulator: a :class:`Store` follows."""

    op: Op

    def __post_init__(self) -> None:
        object.__setattr__(self, "arity", self.op.arity)
        object.__setattr__(self, "normalises", self.op.normalises)

    def output_shape(self, *shapes: Shape) -> Shape:
        return self.op.output_shape(*shapes)

    def centre(self, *xs: Array) -> Array:
        return self.op.centre(*xs)

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return self.op.evaluate(machine.unstored, *xs)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        return self.op.local(rounder.unstored, *xs)

    def undecided(self, *xs: Tensor) -> tuple[Mask | None, ...]:
        return self.op.undecided(*xs)

    def clearance(self, *xs: Tensor) -> tuple[Array | None, ...]:
        return self.op.clearance(*xs)

    def parameters(self) -> tuple[Array, ...]:
        return self.op.parameters()

    def cast(self, change: Callable[[Array], Array]) -> Self:
        return type(self)(self.op.cast(change))

    def describe(self) -> str:
        return self.op.describe()


__all__ = ["Store", "Unstored"]
