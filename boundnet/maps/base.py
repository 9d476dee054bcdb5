"""The contract of a linear map, and the maps that act element by element."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.numerics.outward import Array, Mask, up

Shape = tuple[int, ...]


class LinearMap(ABC):
    """y = L x for tensors with any number of leading axes: x is (..., *input_shape), y is (..., *output_shape).

    Attributes:
        input_shape, output_shape: shapes without leading axes.
        fan_in, fan_out: most roundings on a path in :meth:`apply` and in :meth:`transpose`.
    """

    input_shape: Shape
    output_shape: Shape
    fan_in: int
    fan_out: int

    @abstractmethod
    def apply(self, x: Array) -> Array:
        """L x in float64, each entry off by at most gamma(fan_in) |L||x|."""

    @abstractmethod
    def transpose(self, y: Array) -> Array:
        """The transposed map, each entry off by at most gamma(fan_out) |L|^T|y|."""

    @abstractmethod
    def absolute(self, e: Array) -> Array:
        """Upper bound of |L| e for e >= 0 (rounded up; an exact 0 stays 0; an infinite entry may make a sample infinite)."""

    def count(self, nonzero: Mask) -> Array:
        """Number of terms of each output that are not exactly zero, given which inputs are not (exact, as float64)."""
        raise NotImplementedError(f"{type(self).__name__} is not a sum of products")

    def leaves(self, x: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        """The products of each sum in document order: pairs (input, weight) that broadcast to (..., *output_shape)."""
        raise NotImplementedError(f"{type(self).__name__} is not a sum of products")

    def with_kernel(self, change: Callable[[Array], Array]) -> LinearMap:
        """The map whose weights are ``change(weights)``."""
        raise NotImplementedError(f"{type(self).__name__} has no weights")


def lead(x: npt.NDArray[Any], shape: Shape) -> Shape:
    """Leading axes of ``x`` before its last ``len(shape)`` ones."""
    return x.shape[: x.ndim - len(shape)]


def finite_or_all_infinite(e: Array, shape: Shape, result: Callable[[Array], Array]) -> Array:
    """Apply a nonnegative map; a sample with an infinite or NaN entry gets an infinite result everywhere.

    0 * inf in the machine is NaN, so a zero weight does not shield an output from an overflowed input.
    """
    axes = tuple(range(e.ndim - len(shape), e.ndim))
    bad = ~np.isfinite(e).all(axis=axes)
    if not bad.any():
        return result(e)
    expand = bad.reshape(bad.shape + (1,) * len(axes))
    y = result(np.where(expand, 0.0, e))
    y[bad] = np.inf
    return y


def raised(y: Array, roundings: int) -> Array:
    """:func:`boundnet.numerics.outward.up` on an array that nobody else holds, in place."""
    y *= 1.0 + (roundings + 2) * 2.0**-52
    return y


def unbroadcast(y: Array, shape: Shape, rank: int) -> Array:
    """Sum ``y`` (..., *broadcast shape of ``rank`` axes) back onto ``shape``: the transpose of broadcasting."""
    start = y.ndim - rank
    axes = tuple(start + i for i in range(rank) if shape[i] == 1 and y.shape[start + i] != 1)
    return y.sum(axis=axes, keepdims=True) if axes else y


class Diagonal(LinearMap):
    """y = slope * x, element by element, with NumPy broadcasting of x.  slope: (N, *output_shape) or (*output_shape)."""

    def __init__(self, slope: Array, input_shape: Shape, output_shape: Shape) -> None:
        self.slope = slope
        self.input_shape = input_shape
        self.output_shape = output_shape
        self.fan_in = 1
        self.fan_out = 1 + int(np.prod(output_shape) // max(1, int(np.prod(input_shape))))

    @property
    def elementwise(self) -> bool:
        """Whether no entry of x is broadcast."""
        return self.input_shape == self.output_shape

    def apply(self, x: Array) -> Array:
        return x * self.slope

    def transpose(self, y: Array) -> Array:
        return unbroadcast(y * self.slope, self.input_shape, len(self.output_shape))

    def absolute(self, e: Array) -> Array:
        slope = np.abs(self.slope)
        with np.errstate(invalid="ignore"):
            y = e * np.where((slope > 0) & (slope < 2.0**-500), 2.0**-500, slope)
        y = np.where(np.isnan(y), np.inf, y)
        return up(y, 1)


class Zero(LinearMap):
    """y = 0: the input's deviation is bounded by noise alone."""

    def __init__(self, input_shape: Shape, output_shape: Shape) -> None:
        self.input_shape = input_shape
        self.output_shape = output_shape
        self.fan_in = self.fan_out = 0

    def apply(self, x: Array) -> Array:
        return np.zeros(lead(x, self.input_shape) + self.output_shape)

    def transpose(self, y: Array) -> Array:
        return np.zeros(lead(y, self.output_shape) + self.input_shape)

    def absolute(self, e: Array) -> Array:
        return np.zeros(lead(e, self.input_shape) + self.output_shape)


class Structural(LinearMap):
    """Every output is one input or an exact zero; nothing is computed.

    Args:
        rearrange: y from x with NumPy on (..., *input_shape), of any dtype; the second argument is what stands where
            nothing is copied.
        back: the transposed map on (..., *output_shape); sums where inputs are copied several times.
        input_shape: without leading axes.
        copies: how often an input appears at most.
    """

    def __init__(
        self,
        rearrange: Callable[[npt.NDArray[Any], Any], npt.NDArray[Any]],
        back: Callable[[Array], Array],
        input_shape: Shape,
        copies: int = 1,
    ) -> None:
        self._rearrange, self._back = rearrange, back
        self.input_shape = input_shape
        self.output_shape = rearrange(np.zeros(input_shape, dtype=np.bool_), False).shape
        self.fan_in, self.fan_out = 0, copies - 1

    @cached_property
    def index(self) -> npt.NDArray[np.int64]:
        """Flat input index of each output, -1 for an exact zero, (*output_shape); large, so made on demand only."""
        return self.move(np.arange(math.prod(self.input_shape)).reshape(self.input_shape), -1)

    def move(self, x: npt.NDArray[Any], fill: Any = 0.0) -> npt.NDArray[Any]:
        """``x`` of any dtype rearranged, ``fill`` where nothing is copied; a view where NumPy gives one."""
        return self._rearrange(x, fill)

    def apply(self, x: Array) -> Array:
        return self.move(x)

    def transpose(self, y: Array) -> Array:
        return self._back(y)

    def absolute(self, e: Array) -> Array:
        return self.move(e)
