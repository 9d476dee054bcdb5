"""Cells taken in fixed places: windows of an image laid side by side, and entries along one axis."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from boundnet.numerics.outward import Array
from boundnet.ops.base import Shape
from boundnet.ops.structural import Anything, _Move


@dataclass(frozen=True, eq=False)
class Patches(_Move):
    """(*spatial, channels) -> (windows, *size, channels), windows in C order, without padding."""

    size: Shape
    strides: Shape

    def _outputs(self, shape: Shape) -> Shape:
        if len(shape) != len(self.size) + 1 or any(n < k for n, k in zip(shape, self.size, strict=False)):
            raise ValueError(f"windows of {self.size} do not fit")
        return tuple((n - k) // s + 1 for n, k, s in zip(shape, self.size, self.strides, strict=False))

    def _places(self, shape: Shape) -> Iterator[tuple[Any, Any]]:
        """For each offset within the window: where it stands in the result, and which cells of the image it takes."""
        outputs = self._outputs(shape)
        for offset in itertools.product(*map(range, self.size)):
            steps = (slice(o, o + (n - 1) * s + 1, s) for o, n, s in zip(offset, outputs, self.strides, strict=True))
            yield (..., *offset, slice(None)), (..., *steps, slice(None))

    def rearrange(self, x: Anything, fill: Any, rank: int) -> Anything:
        front, shape = x.shape[: x.ndim - rank], x.shape[x.ndim - rank :]
        outputs = self._outputs(shape)
        y = np.empty((*front, *outputs, *self.size, shape[-1]), dtype=x.dtype)
        for inner, cells in self._places(shape):
            y[inner] = x[cells]
        return y.reshape(*front, -1, *self.size, shape[-1])

    def back(self, y: Array, shape: Shape) -> Array:
        outputs = self._outputs(shape)
        front = y.shape[: y.ndim - len(self.size) - 2]
        y = y.reshape(*front, *outputs, *self.size, shape[-1])
        x = np.zeros((*front, *shape))
        for inner, cells in self._places(shape):
            x[cells] += y[inner]
        return x

    @property
    def copies(self) -> int:
        return int(np.prod([-(-k // s) for k, s in zip(self.size, self.strides, strict=True)]))

    def describe(self) -> str:
        return f"Patches {'x'.join(map(str, self.size))}"


@dataclass(frozen=True, eq=False)
class Take(_Move):
    """Entries ``index`` of ``axis`` (batch excluded): resizing to the nearest neighbour."""

    axis: int
    index: Shape

    def rearrange(self, x: Anything, fill: Any, rank: int) -> Anything:
        if not 0 <= self.axis < rank:
            raise ValueError(f"there is no axis {self.axis}")
        return np.take(x, self.index, axis=self.axis - rank)

    def back(self, y: Array, shape: Shape) -> Array:
        rank = len(shape)
        x = np.zeros((*y.shape[: y.ndim - rank], *shape))
        here, there = (np.moveaxis(array, self.axis - rank, 0) for array in (x, y))
        np.add.at(here, np.asarray(self.index), there)
        return x

    @property
    def copies(self) -> int:
        return int(np.bincount(np.asarray(self.index)).max())
