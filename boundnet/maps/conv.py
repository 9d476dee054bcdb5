"""Convolutions (cross-correlations) with any number of spatial axes, channels last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.errors import GraphError
from boundnet.maps.base import LinearMap, Shape, finite_or_all_infinite, lead
from boundnet.rounding import Array, Mask, raise_tiny, up

FEW_CHANNELS = 4
PATCH_VALUES = 1 << 22

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

    Works position by position of the kernel: one GEMM (or one product for depthwise kernels) each, no copy of all patches.
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

    def _forward(self, x: Array, kernel: Array) -> Array:
        front = lead(x, self.input_shape)
        padded = self._pad(x.reshape(-1, *self.input_shape))
        y = np.zeros((padded.shape[0], *self.output_shape))
        g, cin, cout = self.groups, kernel.shape[-2], kernel.shape[-1]
        if g == 1 and cin <= FEW_CHANNELS:
            return self._by_patches(padded, kernel).reshape(*front, *self.output_shape)
        for position, where in self._windows():
            piece, weight = padded[where], kernel[position]
            if g == 1:
                y += (piece.reshape(-1, cin) @ weight).reshape(y.shape)
            elif cin == 1:
                y += np.repeat(piece, cout // g, axis=-1) * weight[0] if cout != g else piece * weight[0]
            else:
                split = piece.reshape(*piece.shape[:-1], g, cin)
                parts = weight.reshape(cin, g, cout // g).transpose(1, 0, 2)
                y += np.matmul(split[..., None, :], parts)[..., 0, :].reshape(y.shape)
        return y.reshape(*front, *self.output_shape)

    def _by_patches(self, padded: Array, kernel: Array) -> Array:
        """One GEMM on copied patches, some samples at a time: products of few channels are too thin for a GEMM each."""
        lengths, cin, cout = self.output_shape[:-1], kernel.shape[-2], kernel.shape[-1]
        width = int(np.prod(self.size)) * cin
        step = max(1, PATCH_VALUES // (width * max(1, int(np.prod(lengths)))))
        y = np.empty((len(padded), *self.output_shape))
        axes = padded.strides[1:-1]
        strides = (
            padded.strides[0],
            *(stride * s for stride, s in zip(axes, self.strides, strict=True)),
            *(stride * d for stride, d in zip(axes, self.dilation, strict=True)),
            padded.strides[-1],
        )
        for start in range(0, len(padded), step):
            part = padded[start : start + step]
            view = np.lib.stride_tricks.as_strided(part, (len(part), *lengths, *self.size, cin), strides, writeable=False)
            y[start : start + step] = (view.reshape(-1, width) @ kernel.reshape(width, cout)).reshape(-1, *self.output_shape)
        return y

    def _backward(self, y: Array, kernel: Array) -> Array:
        front = lead(y, self.output_shape)
        flat = y.reshape(-1, *self.output_shape)
        spatial = tuple(n + a + b for n, (a, b) in zip(self.input_shape[:-1], self.padding, strict=True))
        x = np.zeros((flat.shape[0], *spatial, self.input_shape[-1]))
        g, cin, cout = self.groups, kernel.shape[-2], kernel.shape[-1]
        for position, where in self._windows():
            weight = kernel[position]
            if g == 1:
                x[where] += (flat.reshape(-1, cout) @ weight.T).reshape(*flat.shape[:-1], cin)
            elif cin == 1:
                product = flat * weight[0]
                x[where] += product.reshape(*product.shape[:-1], g, cout // g).sum(-1) if cout != g else product
            else:
                split = flat.reshape(*flat.shape[:-1], g, cout // g)
                parts = weight.reshape(cin, g, cout // g).transpose(1, 2, 0)
                x[where] += np.matmul(split[..., None, :], parts)[..., 0, :].reshape(*flat.shape[:-1], g * cin)
        inner = tuple(slice(a, a + n) for n, (a, _) in zip(self.input_shape[:-1], self.padding, strict=True))
        return x[(slice(None), *inner)].reshape(*front, *self.input_shape)

    def apply(self, x: Array) -> Array:
        return self._forward(x, self.kernel)

    def transpose(self, y: Array) -> Array:
        return self._backward(y, self.kernel)

    def absolute(self, e: Array) -> Array:
        return finite_or_all_infinite(
            e, self.input_shape, lambda f: up(self._forward(raise_tiny(f), self._absolute_kernel), self.fan_in)
        )

    def absolute_transpose(self, e: Array) -> Array:
        """Upper bound of |L|^T e."""
        return finite_or_all_infinite(
            e, self.output_shape, lambda f: up(self._backward(raise_tiny(f), self._absolute_kernel), self.fan_out)
        )

    def count(self, nonzero: Mask) -> Array:
        return self._forward(nonzero.astype(np.float64), (self.kernel != 0.0).astype(np.float64))

    def count_transpose(self, nonzero: Mask) -> Array:
        """As :meth:`count`, of the transposed map."""
        return self._backward(nonzero.astype(np.float64), (self.kernel != 0.0).astype(np.float64))

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
