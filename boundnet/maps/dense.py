"""Matrix products over the last axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.maps.base import LinearMap, Shape, finite_or_all_infinite, lead
from boundnet.rounding import Array, Mask, raise_tiny, up


class DenseMap(LinearMap):
    """y = x @ kernel over the last axis.  kernel: (n, m); x: (..., *front, n)."""

    def __init__(self, kernel: Array, front: Shape = ()) -> None:
        self.kernel = kernel
        self.front = front
        n, m = kernel.shape
        self.input_shape = (*front, n)
        self.output_shape = (*front, m)
        self.fan_in, self.fan_out = n + 1, m + 1

    @cached_property
    def _absolute_kernel(self) -> Array:
        return raise_tiny(np.abs(self.kernel))

    def apply(self, x: Array) -> Array:
        return _matmul(x, self.kernel)

    def transpose(self, y: Array) -> Array:
        return _matmul(y, self.kernel.T)

    def absolute(self, e: Array) -> Array:
        return finite_or_all_infinite(
            e, self.input_shape, lambda f: up(_matmul(raise_tiny(f), self._absolute_kernel), self.fan_in)
        )

    def count(self, nonzero: Mask) -> Array:
        return _matmul(nonzero.astype(np.float64), (self.kernel != 0.0).astype(np.float64))

    def leaves(self, x: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        for k in range(self.kernel.shape[0]):
            yield x[..., k, None], self.kernel[k]

    def with_kernel(self, change: Callable[[Array], Array]) -> DenseMap:
        return DenseMap(change(self.kernel), self.front)


class BatchDenseMap(LinearMap):
    """y[..., b, :] = x[..., b, :] @ kernel[b].  kernel: (*batch, n, m); x: (..., *front, *batch, n)."""

    def __init__(self, kernel: Array, front: Shape = ()) -> None:
        self.kernel = kernel
        self.front = front
        *batch, n, m = kernel.shape
        self.input_shape = (*front, *batch, n)
        self.output_shape = (*front, *batch, m)
        self.fan_in, self.fan_out = n + 1, m + 1

    @cached_property
    def _absolute_kernel(self) -> Array:
        return raise_tiny(np.abs(self.kernel))

    def apply(self, x: Array) -> Array:
        return _batched(x, self.kernel)

    def transpose(self, y: Array) -> Array:
        return _batched(y, np.swapaxes(self.kernel, -1, -2))

    def absolute(self, e: Array) -> Array:
        return finite_or_all_infinite(
            e, self.input_shape, lambda f: up(_batched(raise_tiny(f), self._absolute_kernel), self.fan_in)
        )

    def count(self, nonzero: Mask) -> Array:
        return _batched(nonzero.astype(np.float64), (self.kernel != 0.0).astype(np.float64))

    def leaves(self, x: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        for k in range(self.kernel.shape[-2]):
            yield x[..., k, None], self.kernel[..., k, :]

    def with_kernel(self, change: Callable[[Array], Array]) -> BatchDenseMap:
        return BatchDenseMap(change(self.kernel), self.front)


def _matmul(x: Array, kernel: Array) -> Array:
    """One GEMM whatever the number of leading axes."""
    front = lead(x, (0,))
    y: Array = x.reshape(-1, kernel.shape[0]) @ kernel
    return y.reshape(*front, kernel.shape[1])


def _batched(x: Array, kernel: Array) -> Array:
    y: Array = np.matmul(x[..., None, :], kernel)[..., 0, :]
    return y
