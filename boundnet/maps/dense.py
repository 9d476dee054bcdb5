"""Matrix products over the last axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.kernels.products import matmul
from boundnet.maps.base import LinearMap, Shape, finite_or_all_infinite, lead, raised
from boundnet.numerics.outward import Array, Mask, raise_tiny


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
            e, self.input_shape, lambda f: raised(_matmul(raise_tiny(f), self._absolute_kernel), self.fan_in)
        )

    @cached_property
    def _present(self) -> Array:
        present: Array = (self.kernel != 0.0).astype(np.float64)
        return present

    def count(self, nonzero: Mask) -> Array:
        if nonzero.all():
            return np.broadcast_to(self._present.sum(axis=0), (*nonzero.shape[:-1], self.output_shape[-1]))
        return _matmul(nonzero.astype(np.float64), self._present)

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
            e, self.input_shape, lambda f: raised(_batched(raise_tiny(f), self._absolute_kernel), self.fan_in)
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
    y = np.empty((*lead(x, (0,)), kernel.shape[1]))
    matmul(x.reshape(-1, kernel.shape[0]), kernel, y.reshape(-1, kernel.shape[1]))
    return y


def _batched(x: Array, kernel: Array) -> Array:
    """One GEMM for each matrix of ``kernel``: (*batch, n, m)."""
    *batch, n, m = kernel.shape
    count = int(np.prod(batch))
    y = np.empty((*x.shape[:-1], m))
    rows, out = x.reshape(-1, count, n).transpose(1, 0, 2), y.reshape(-1, count, m).transpose(1, 0, 2)
    np.matmul(rows, kernel.reshape(count, n, m), out=out)
    return y
