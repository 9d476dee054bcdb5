"""Convolutions (cross-correlations) with any number of spatial axes, channels last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.errors import GraphError
from boundnet.kernels import products
from boundnet.kernels.products import dense
from boundnet.maps.base import LinearMap, Shape, finite_or_all_infinite, lead, raised
from boundnet.numerics.outward import Array, Mask, raise_tiny

Pairs = tuple[tuple[int, int], ...]


def conv_lengths(shape: Shape, size: Shape, strides: Shape, dilation: Shape, padding: Pairs) -> Shape:
    """Spatial output lengths of a window op on spatial ``shape``.

    Raises:
        GraphError: the window is longer than the padded input.
    """
    lengths = []
    for n, k, s, d, (low, high) in zip(shape, size, strides, dilation, padding, strict=True):
        reach = (k - 1) * d + 1
        total = n + low + high
        if total < reach:
            raise GraphError(f"a window of {reach} does not fit into a padded length of {total}")
        lengths.append((total - reach) // s + 1)
    return tuple(lengths)


class ConvMap(LinearMap):
    """y = conv(x, kernel).  x: (..., *spatial, cin), kernel: (*k, cin // groups, cout), explicit zero padding.

    One GEMM for each block of output positions, on a packed copy of that block's patches (:mod:`boundnet.kernels`);
    1x1 kernels need no copy, and kernels of one channel per group are summed directly.
    """

    def __init__(
        self, kernel: Array, spatial: Shape, channels: int, strides: Shape, dilation: Shape, groups: int, padding: Pairs
    ) -> None:
        size = kernel.shape[:-2]
        lengths = conv_lengths(spatial, size, strides, dilation, padding)
        self.kernel, self.strides, self.dilation, self.groups, self.padding = kernel, strides, dilation, groups, padding
        self.size = size
        self.input_shape = (*spatial, channels)
        self.output_shape = (*lengths, kernel.shape[-1])
        positions = int(np.prod(size))
        self.fan_in = positions * kernel.shape[-2] + 1
        self.fan_out = positions * (kernel.shape[-1] // groups) + 1

    @cached_property
    def _absolute_kernel(self) -> Array:
        return raise_tiny(np.abs(self.kernel))

    @cached_property
    def _present(self) -> Array:
        present: Array = (self.kernel != 0.0).astype(np.float64)
        return present

    @cached_property
    def _full_count(self) -> Array:
        """Number of terms of each output where no input is zero."""
        return self._forward(np.ones(self.input_shape), self._present)

    def _windows(self) -> Iterator[tuple[Shape, Any]]:
        """Kernel positions in document order, each with the slice of the padded input that it meets."""
        lengths = self.output_shape[:-1]
        for position in np.ndindex(*self.size):
            where: list[Any] = [...]
            for at, d, s, length in zip(position, self.dilation, self.strides, lengths, strict=True):
                where.append(slice(at * d, at * d + (length - 1) * s + 1, s))
            yield position, (*where, slice(None))

    def _pad(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not any(low or high for low, high in self.padding):
            return x
        front = lead(x, self.input_shape)
        spatial = tuple(n + a + b for n, (a, b) in zip(self.input_shape[:-1], self.padding, strict=True))
        padded = _zeros((*front, *spatial, self.input_shape[-1]), x)
        inner: Any = tuple(slice(a, a + n) for n, (a, _) in zip(self.input_shape[:-1], self.padding, strict=True))
        padded[(..., *inner, slice(None))] = x
        return padded

    @cached_property
    def source(self) -> npt.NDArray[np.int32]:
        """Flat input position that each kernel position meets: (output positions, kernel positions), -1 in the padding."""
        spatial = self.input_shape[:-1]
        index = np.arange(int(np.prod(spatial)), dtype=np.int32).reshape(spatial)
        index = np.pad(index, self.padding, constant_values=-1)
        return np.stack([index[where[1:-1]].ravel() for _, where in self._windows()], axis=-1)

    @cached_property
    def _plain(self) -> bool:
        """Whether output position i meets input position i and no other."""
        same = self.input_shape[:-1] == self.output_shape[:-1] and not any(map(any, self.padding))
        return same and int(np.prod(self.size)) == 1 and self.groups == 1

    def _by_group(self, kernel: Array) -> Array:
        """The kernel as (groups, kernel positions * cin, cout): one matrix for each group."""
        return kernel.reshape(-1, self.groups, kernel.shape[-1] // self.groups).transpose(1, 0, 2)

    def _forward(self, x: Array, kernel: Array) -> Array:
        front = lead(x, self.input_shape)
        cin, cout = kernel.shape[-2:]
        y: Array
        if self._plain:
            y = np.empty((*front, *self.output_shape))
            products.matmul(dense(x).reshape(-1, cin), kernel.reshape(cin, cout), y.reshape(-1, cout))
            return y
        flat = dense(x).reshape(int(np.prod(front)), int(np.prod(self.input_shape[:-1])), self.input_shape[-1])
        if cin == 1 and self.groups > 1:
            y = products.depthwise_sums(flat, self.source, dense(kernel.reshape(-1, cout)))
        else:
            y = products.patch_products(flat, self.source, self._by_group(kernel))
        return y.reshape(*front, *self.output_shape)

    def _backward(self, y: Array, kernel: Array) -> Array:
        front = lead(y, self.output_shape)
        cin, cout = kernel.shape[-2:]
        x: Array
        if self._plain:
            x = np.empty((*front, *self.input_shape))
            products.matmul(dense(y).reshape(-1, cout), kernel.reshape(cin, cout).T, x.reshape(-1, cin))
            return x
        flat = dense(y).reshape(int(np.prod(front)), len(self.source), cout)
        positions, channels = int(np.prod(self.input_shape[:-1])), self.input_shape[-1]
        if cin == 1 and self.groups > 1:
            x = products.depthwise_sums_back(flat, self.source, dense(kernel.reshape(-1, cout)), positions, channels)
        else:
            x = products.patch_products_back(flat, self.source, self._by_group(kernel), positions)
        return x.reshape(*front, *self.input_shape)

    def apply(self, x: Array) -> Array:
        return self._forward(x, self.kernel)

    def transpose(self, y: Array) -> Array:
        return self._backward(y, self.kernel)

    def absolute(self, e: Array) -> Array:
        return finite_or_all_infinite(
            e, self.input_shape, lambda f: raised(self._forward(raise_tiny(f), self._absolute_kernel), self.fan_in)
        )

    def absolute_transpose(self, e: Array) -> Array:
        """Upper bound of |L|^T e."""
        return finite_or_all_infinite(
            e, self.output_shape, lambda f: raised(self._backward(raise_tiny(f), self._absolute_kernel), self.fan_out)
        )

    def count(self, nonzero: Mask) -> Array:
        if nonzero.all():
            return np.broadcast_to(self._full_count, (*lead(nonzero, self.input_shape), *self.output_shape))
        return self._forward(nonzero.astype(np.float64), self._present)

    def count_transpose(self, nonzero: Mask) -> Array:
        """As :meth:`count`, of the transposed map."""
        return self._backward(nonzero.astype(np.float64), self._present)

    def leaves(self, x: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        padded = self._pad(x)
        g, cin, cout = self.groups, self.kernel.shape[-2], self.kernel.shape[-1]
        for position, where in self._windows():
            piece = padded[where]
            for c in range(cin):
                # Output channels of group i read input channel i * cin + c.
                own = piece[..., c::cin] if g > 1 else piece[..., c, None]
                yield (np.repeat(own, cout // g, axis=-1) if g > 1 else own), self.kernel[(*position, c)]

    def with_kernel(self, change: Callable[[Array], Array]) -> ConvMap:
        return ConvMap(
            change(self.kernel), self.input_shape[:-1], self.input_shape[-1], self.strides, self.dilation, self.groups,
            self.padding,
        )  # fmt: skip


class TransposedConvMap(LinearMap):
    """The transpose of a convolution as a map of its own (Keras ConvNDTranspose).

    ``conv`` maps this op's output to its input: its kernel is (*k, cout // groups, cin).
    """

    def __init__(self, conv: ConvMap) -> None:
        self.conv = conv
        self.input_shape, self.output_shape = conv.output_shape, conv.input_shape
        self.fan_in, self.fan_out = conv.fan_out, conv.fan_in

    def apply(self, x: Array) -> Array:
        return self.conv.transpose(x)

    def transpose(self, y: Array) -> Array:
        return self.conv.apply(y)

    def absolute(self, e: Array) -> Array:
        return self.conv.absolute_transpose(e)

    def count(self, nonzero: Mask) -> Array:
        return self.conv.count_transpose(nonzero)

    def leaves(self, x: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        conv = self.conv
        front = lead(x, self.input_shape)
        spatial = tuple(n + a + b for n, (a, b) in zip(conv.input_shape[:-1], conv.padding, strict=True))
        inner: Any = tuple(slice(a, a + n) for n, (a, _) in zip(conv.input_shape[:-1], conv.padding, strict=True))
        g, cin, cout = conv.groups, conv.kernel.shape[-1] // conv.groups, conv.kernel.shape[-2]
        for position, where in conv._windows():
            for c in range(cin):
                grid = _zeros((*front, *spatial, g), x)
                grid[where] = x[..., c::cin]
                own = grid[(..., *inner, slice(None))]
                weight = conv.kernel[position][:, c::cin].T.reshape(-1)
                yield (np.repeat(own, cout, axis=-1) if g > 1 else own), weight

    def with_kernel(self, change: Callable[[Array], Array]) -> TransposedConvMap:
        return TransposedConvMap(self.conv.with_kernel(change))


def _zeros(shape: Shape, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Zeros of the kind of ``x``'s entries (exact rationals and intervals come as object arrays)."""
    zeros = np.zeros(shape, dtype=x.dtype)
    if x.dtype == np.dtype(object):
        zeros.fill(x.flat[0] * 0)  # keeps number types whole that are sequences to NumPy
    return zeros
