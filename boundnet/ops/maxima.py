"""Maxima: exact operations whose winner may be undecided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.errors import GraphError
from boundnet.maps import Select
from boundnet.maps.conv import Pairs, conv_lengths
from boundnet.ops.base import Local, Op, Shape, Tensor, require_rank
from boundnet.rounder import Rounder
from boundnet.rounding import Array, Mask, up


@dataclass(frozen=True)
class Choice:
    """Outcome of a maximum over the last axis: the winner where decided, an enclosure of the deviation elsewhere."""

    index: npt.NDArray[np.int64]
    decided: Mask
    shift: Array
    strip: Array
    zero: Mask


def choose(centres: Array, radii: Array, zeros: Mask) -> Choice:
    """Maximum over the last axis of values within ``radii`` of ``centres`` (-inf centres never win).

    One candidate, or several that are all exact: its deviation passes with slope 1.  Several: the
    deviation lies in [max(x - E) - y~, max(x + E) - y~] over the candidates, slope 0.
    """
    with np.errstate(invalid="ignore"):
        low = np.nextafter(centres - radii, -np.inf)
        high = np.nextafter(centres + radii, np.inf)
        low, high = np.where(radii == 0.0, centres, low), np.where(radii == 0.0, centres, high)
        low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    index = np.argmax(centres, axis=-1)
    best = low.max(axis=-1, keepdims=True)
    candidate = high >= best
    candidate &= np.isfinite(centres) | (radii > 0)
    several = candidate.sum(axis=-1) > 1
    exact = np.where(candidate, radii, 0.0).max(axis=-1) == 0.0
    winner = np.take_along_axis(centres, index[..., None], axis=-1)[..., 0]
    decided = ~several | exact
    with np.errstate(invalid="ignore"):
        top, bottom = high.max(axis=-1) - winner, best[..., 0] - winner
        shift = 0.5 * top + 0.5 * bottom
        usable = np.isfinite(shift)
        shift = np.where(decided | ~usable, 0.0, shift)
        strip = up(np.maximum(top - shift, shift - bottom), 2)
    strip = np.where(decided, 0.0, np.where(usable, strip, np.inf))
    zero = decided & np.take_along_axis(zeros, index[..., None], axis=-1)[..., 0]
    return Choice(index, decided, shift, strip, zero)


@dataclass(frozen=True, eq=False)
class MaxPool(Op):
    """Maximum over every window, channel by channel; padding never wins."""

    size: Shape
    strides: Shape = ()
    padding: Pairs = ()

    def _cells(self, shape: Shape) -> npt.NDArray[np.int64]:
        """Flat input index of every window's cells, (*output_shape, cells), -1 in the padding."""
        cache: dict[Shape, npt.NDArray[np.int64]] = self.__dict__.setdefault("_maps", {})
        if shape in cache:
            return cache[shape]
        axes = len(self.size)
        require_rank(shape, axes + 1, self.describe())
        strides, padding = self.strides or self.size, self.padding or ((0, 0),) * axes
        lengths = conv_lengths(shape[:-1], self.size, strides, (1,) * axes, padding)
        index = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
        index = np.pad(index, [*padding, (0, 0)], constant_values=-1)
        cells = []
        for position in np.ndindex(*self.size):
            where = tuple(slice(at, at + (n - 1) * s + 1, s) for at, s, n in zip(position, strides, lengths, strict=True))
            cells.append(index[(*where, slice(None))])
        cache[shape] = np.stack(cells, axis=-1)
        if np.any((cache[shape] < 0).all(axis=-1)):
            raise GraphError(f"{self.describe()}: a window lies wholly in the padding")
        return cache[shape]

    def output_shape(self, *shapes: Shape) -> Shape:
        return self._cells(shapes[0]).shape[:-1]

    def centre(self, *xs: Array) -> Array:
        x = xs[0]
        cells = self._cells(x.shape[1:])
        taken = np.where(cells >= 0, x.reshape(len(x), -1)[:, cells], -np.inf)
        y: Array = taken.max(axis=-1)
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        x = xs[0]
        cells = self._cells(x.shape[1:])
        flat = x.reshape(len(x), -1)
        # Padding repeats the window's first real cell: it changes no maximum.
        first = np.take_along_axis(cells, np.argmax(cells >= 0, axis=-1)[..., None], axis=-1)
        cells = np.where(cells >= 0, cells, first)
        return reduce(machine.maximum, (flat[:, cells[..., k]] for k in range(cells.shape[-1])))

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        shape = x.centre.shape[1:]
        cells = self._cells(shape)
        real = cells >= 0
        n = len(x.centre)
        centres = np.where(real, x.centre.reshape(n, -1)[:, cells], -np.inf)
        radii = np.where(real, x.radius.reshape(n, -1)[:, cells], 0.0)
        zeros = real & x.zero.reshape(n, -1)[:, cells]
        choice = choose(centres, radii, zeros)
        picked = np.take_along_axis(np.broadcast_to(cells, centres.shape), choice.index[..., None], axis=-1)[..., 0]
        output = cells.shape[:-1]
        linear = Select(picked, choice.decided, shape, output)
        blank = np.zeros((n, *output))
        return Local((linear,), blank, choice.zero, blank > 0, choice.shift, choice.strip)

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        cells = self._cells(xs[0].centre.shape[1:])
        taken = np.where(cells >= 0, radii[0].reshape(len(radii[0]), -1)[:, cells], 0.0)
        widest: Array = taken.max(axis=-1)
        return widest

    def describe(self) -> str:
        return f"MaxPool {'x'.join(map(str, self.size))}"
