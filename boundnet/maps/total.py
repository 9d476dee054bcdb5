"""Sum over one axis, kept with length 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.maps.base import LinearMap, Shape
from boundnet.numerics.outward import Array, Mask, raise_tiny, up


class SumMap(LinearMap):
    """y = sum of x over ``axis`` of the input shape."""

    def __init__(self, shape: Shape, axis: int) -> None:
        self.input_shape = shape
        self.output_shape = (*shape[:axis], 1, *shape[axis + 1 :])
        self.axis = axis - len(shape)
        self.fan_in, self.fan_out = shape[axis] + 1, 1

    def apply(self, x: Array) -> Array:
        y: Array = x.sum(axis=self.axis, keepdims=True)
        return y

    def transpose(self, y: Array) -> Array:
        return np.repeat(y, self.input_shape[self.axis], axis=self.axis)

    def absolute(self, e: Array) -> Array:
        return up(raise_tiny(e).sum(axis=self.axis, keepdims=True), self.fan_in)

    def count(self, nonzero: Mask) -> Array:
        counted: Array = nonzero.sum(axis=self.axis, keepdims=True).astype(np.float64)
        return counted

    def leaves(self, x: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        for i in range(self.input_shape[self.axis]):
            yield np.take(x, [i], axis=self.axis), np.ones(1)
