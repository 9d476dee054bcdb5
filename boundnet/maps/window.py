"""Sums over windows: average pooling before its division."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.maps.base import LinearMap, Shape
from boundnet.maps.conv import ConvMap, Pairs
from boundnet.numerics.outward import Array, Mask


class WindowSum(LinearMap):
    """Sum of every window, channel by channel: a depthwise convolution with a kernel of ones."""

    def __init__(self, spatial: Shape, channels: int, size: Shape, strides: Shape, padding: Pairs) -> None:
        ones = np.ones((*size, 1, channels))
        self.conv = ConvMap(ones, spatial, channels, strides, (1,) * len(size), channels, padding)
        self.input_shape, self.output_shape = self.conv.input_shape, self.conv.output_shape
        self.fan_in, self.fan_out = self.conv.fan_in, self.conv.fan_out

    def cells(self) -> Array:
        """Number of real (not padded) cells of every window, shape of the output."""
        return self.conv.count(np.ones(self.input_shape, dtype=np.bool_))

    def apply(self, x: Array) -> Array:
        return self.conv.apply(x)

    def transpose(self, y: Array) -> Array:
        return self.conv.transpose(y)

    def absolute(self, e: Array) -> Array:
        return self.conv.absolute(e)

    def count(self, nonzero: Mask) -> Array:
        return self.conv.count(nonzero)

    def leaves(self, x: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        yield from self.conv.leaves(x)
