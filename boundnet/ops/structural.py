"""Ops that move values without computing: their linear part is exact and nothing is rounded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from boundnet.errors import GraphError
from boundnet.maps import LinearMap, Structural
from boundnet.numerics.outward import Array
from boundnet.ops.base import Local, Op, Shape, Tensor
from boundnet.roundoff.grids import ANY_GRID
from boundnet.roundoff.rounder import Rounder

Anything = npt.NDArray[Any]


def no_rounding(maps: tuple[LinearMap, ...], zero: npt.NDArray[np.bool_]) -> Local:
    """The local form of an op that rounds nothing."""
    return Local(maps, np.zeros(zero.shape), zero, np.zeros(zero.shape, dtype=np.bool_))


class Input(Op):
    """Where values enter the graph: stored in the storage format first.  shape: without the batch axis.

    ``integer``: whole numbers such as indices into a table, which every execution holds exactly.
    """

    arity = 0

    def __init__(self, shape: Sequence[int], integer: bool = False) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.integer = integer

    def output_shape(self, *shapes: Shape) -> Shape:
        return self.shape

    def centre(self, *xs: Array) -> Array:
        raise TypeError("an Input has no inputs to compute from")

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        raise TypeError("an Input has no inputs to compute from")

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        raise TypeError("an Input has no inputs to compute from")

    def describe(self) -> str:
        return f"Input{self.shape}"


class _Move(Op):
    """Base of ops with one input that rearrange it."""

    @abstractmethod
    def rearrange(self, x: Anything, fill: Any, rank: int) -> Anything:
        """The op on the last ``rank`` axes of ``x``; ``fill`` where nothing is copied."""

    @abstractmethod
    def back(self, y: Array, shape: Shape) -> Array:
        """The transposed map of a result ``y`` (..., *output_shape): (..., *shape), ``shape`` that of the input."""

    @property
    def copies(self) -> int:
        """How often an input element appears in the result at most."""
        return 1

    def linear(self, shape: Shape) -> Structural:
        """The op as a linear map of an input of ``shape``."""
        cache: dict[Shape, Structural] = self.__dict__.setdefault("_maps", {})
        if shape not in cache:
            rank = len(shape)
            cache[shape] = Structural(
                lambda x, fill: self.rearrange(x, fill, rank), lambda y: self.back(y, shape), shape, self.copies
            )
        return cache[shape]

    def output_shape(self, *shapes: Shape) -> Shape:
        try:
            return self.linear(shapes[0]).output_shape
        except (ValueError, IndexError) as error:
            raise GraphError(f"{self.describe()} does not fit an input of shape {shapes[0]}: {error}") from None

    def centre(self, *xs: Array) -> Array:
        return self.linear(xs[0].shape[1:]).move(xs[0])

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        (x,) = xs
        index = self.linear(x.shape[1:]).index
        y = x.reshape(len(x), -1)[:, np.maximum(index, 0)]
        blank = index < 0
        if np.any(blank):
            y[:, blank] = np.broadcast_to(machine.constant(0.0), (len(x), int(np.count_nonzero(blank))))
        return y

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        linear = self.linear(x.centre.shape[1:])
        found = no_rounding((linear,), np.asarray(linear.move(x.zero, True), dtype=np.bool_))
        grid = None if x.grid is None else np.asarray(linear.move(x.grid, ANY_GRID), dtype=np.int16)
        ends = None if x.ends is None else (linear.move(x.ends[0]), linear.move(x.ends[1]))
        return replace(found, grid=grid, ends=ends)


@dataclass(frozen=True, eq=False)
class Reshape(_Move):
    """New shape, same C order.  shape: without the batch axis."""

    shape: Shape

    def rearrange(self, x: Anything, fill: Any, rank: int) -> Anything:
        return x.reshape(x.shape[: x.ndim - rank] + self.shape)

    def back(self, y: Array, shape: Shape) -> Array:
        return y.reshape(y.shape[: y.ndim - len(self.shape)] + shape)

    def describe(self) -> str:
        return f"Reshape{self.shape}"


@dataclass(frozen=True, eq=False)
class Transpose(_Move):
    """Axes permuted: output axis i is input axis ``permutation[i]`` (batch excluded)."""

    permutation: Shape

    def rearrange(self, x: Anything, fill: Any, rank: int) -> Anything:
        if sorted(self.permutation) != list(range(rank)):
            raise ValueError(f"{self.permutation} is not a permutation of {rank} axes")
        front = x.ndim - rank
        return np.transpose(x, [*range(front), *(front + axis for axis in self.permutation)])

    def back(self, y: Array, shape: Shape) -> Array:
        front = y.ndim - len(shape)
        return np.transpose(y, [*range(front), *(front + self.permutation.index(axis) for axis in range(len(shape)))])


@dataclass(frozen=True, eq=False)
class Pad(_Move):
    """Exact zeros around every axis: pads[i] = (before, after)."""

    pads: tuple[tuple[int, int], ...]

    def rearrange(self, x: Anything, fill: Any, rank: int) -> Anything:
        if len(self.pads) != rank:
            raise ValueError(f"{len(self.pads)} pads for {rank} axes")
        return np.pad(x, [(0, 0)] * (x.ndim - rank) + list(self.pads), constant_values=fill)

    def back(self, y: Array, shape: Shape) -> Array:
        where: Any = (..., *(slice(before, before + n) for (before, _), n in zip(self.pads, shape, strict=True)))
        inner: Array = y[where]
        return inner


@dataclass(frozen=True, eq=False)
class Slice(_Move):
    """Part of every axis, as Python slices (None allowed in ``stop``)."""

    start: tuple[int | None, ...]
    stop: tuple[int | None, ...]
    step: tuple[int | None, ...]

    def rearrange(self, x: Anything, fill: Any, rank: int) -> Anything:
        if len(self.start) != rank:
            raise ValueError(f"{len(self.start)} slices for {rank} axes")
        taken: Anything = x[self._where]
        if 0 in taken.shape[x.ndim - rank :]:
            raise ValueError("nothing is left of it")
        return taken

    @property
    def _where(self) -> Any:
        return (..., *map(slice, self.start, self.stop, self.step))

    def back(self, y: Array, shape: Shape) -> Array:
        x = np.zeros(y.shape[: y.ndim - len(shape)] + shape)
        x[self._where] = y
        return x


@dataclass(frozen=True, eq=False)
class Repeat(_Move):
    """Every element ``times`` times in a row along ``axis`` (batch excluded): nearest upsampling."""

    axis: int
    times: int

    def rearrange(self, x: Anything, fill: Any, rank: int) -> Anything:
        if not 0 <= self.axis < rank:
            raise ValueError(f"there is no axis {self.axis}")
        return np.repeat(x, self.times, axis=x.ndim - rank + self.axis)

    @property
    def copies(self) -> int:
        return self.times

    def back(self, y: Array, shape: Shape) -> Array:
        at = y.ndim - len(shape) + self.axis
        total: Array = y.reshape(*y.shape[:at], shape[self.axis], self.times, *y.shape[at + 1 :]).sum(axis=at + 1)
        return total


class _Into(LinearMap):
    """One operand of a concatenation: copied into its place among zeros."""

    def __init__(self, input_shape: Shape, output_shape: Shape, axis: int, start: int) -> None:
        self.input_shape, self.output_shape = input_shape, output_shape
        self.axis = axis - len(output_shape)
        self.place: Any = (..., slice(start, start + input_shape[axis]), *(slice(None),) * (len(output_shape) - axis - 1))
        self.fan_in = self.fan_out = 0

    def apply(self, x: Array) -> Array:
        y = np.zeros(x.shape[: x.ndim - len(self.input_shape)] + self.output_shape)
        y[self.place] = x
        return y

    def transpose(self, y: Array) -> Array:
        x: Array = y[self.place]
        return x

    def absolute(self, e: Array) -> Array:
        return self.apply(e)


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """Inputs joined along ``axis`` (batch excluded)."""

    axis: int
    arity: ClassVar[int | None] = None

    def output_shape(self, *shapes: Shape) -> Shape:
        first = shapes[0]
        others = [shape[: self.axis] + shape[self.axis + 1 :] for shape in shapes]
        if not 0 <= self.axis < len(first) or any(other != others[0] for other in others):
            raise GraphError(f"can't concatenate shapes {list(shapes)} along axis {self.axis}")
        length = sum(shape[self.axis] for shape in shapes)
        return (*first[: self.axis], length, *first[self.axis + 1 :])

    def centre(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=self.axis + 1)

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return np.concatenate(xs, axis=self.axis + 1)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        shapes = [x.centre.shape[1:] for x in xs]
        output = self.output_shape(*shapes)
        starts = np.cumsum([0] + [shape[self.axis] for shape in shapes])
        maps = tuple(_Into(shape, output, self.axis, int(at)) for shape, at in zip(shapes, starts, strict=False))
        found = no_rounding(maps, np.concatenate([x.zero for x in xs], axis=self.axis + 1))
        grids = [x.grid for x in xs if x.grid is not None]
        grid = np.concatenate(grids, axis=self.axis + 1) if len(grids) == len(xs) else None
        ends = None
        if any(x.ends is not None for x in xs):
            ends = self.centre(*(x.range()[0] for x in xs)), self.centre(*(x.range()[1] for x in xs))
        return replace(found, grid=grid, ends=ends)


__all__ = ["Concat", "Input", "Pad", "Repeat", "Reshape", "Slice", "Transpose"]
