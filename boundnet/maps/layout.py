"""Sums of products as tables: what the compiled kernels read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.maps.base import LinearMap
from boundnet.maps.conv import ConvMap, TransposedConvMap
from boundnet.maps.dense import BatchDenseMap, DenseMap
from boundnet.maps.total import SumMap
from boundnet.maps.window import WindowSum
from boundnet.numerics.outward import Array


@dataclass(frozen=True)
class Layout:
    """y[p, o] = sum over t, then c, of x[source[p, t], group(o) * C + c] weight[p % B, t, c, o].

    Attributes:
        source: (P, T) int32, flat input position of every tap, -1 where there is none.
        weight: (B, T, C, O) float64.
        groups: number of groups; group(o) = o // (O / groups).
        positions: number of input positions Q, so that x is (Q, groups * C).
    """

    source: npt.NDArray[np.int32]
    weight: Array
    groups: int
    positions: int

    @property
    def leaves(self) -> int:
        """Number of products of each sum, those that meet padding included."""
        return int(self.weight.shape[1] * self.weight.shape[2])

    def inputs(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """``x`` (N, *input_shape) as (N, Q, groups * C), C-contiguous."""
        return np.ascontiguousarray(x).reshape(len(x), self.positions, self.groups * self.weight.shape[2])


def layout(linear: LinearMap) -> Layout:
    """The table of a map that is a sum of products.

    Raises:
        NotImplementedError: it is none.
    """
    if isinstance(linear, WindowSum):
        return layout(linear.conv)
    if isinstance(linear, ConvMap):
        weight = linear.kernel.reshape(1, -1, *linear.kernel.shape[-2:])
        return Layout(linear.source, np.ascontiguousarray(weight), linear.groups, int(np.prod(linear.input_shape[:-1])))
    if isinstance(linear, TransposedConvMap):
        return _transposed(linear)
    if isinstance(linear, DenseMap):
        positions = int(np.prod(linear.front))
        return Layout(_each(positions), np.ascontiguousarray(linear.kernel[None, None]), 1, positions)
    if isinstance(linear, BatchDenseMap):
        n, m = linear.kernel.shape[-2:]
        positions = int(np.prod(linear.input_shape[:-1]))
        return Layout(_each(positions), np.ascontiguousarray(linear.kernel.reshape(-1, 1, n, m)), 1, positions)
    if isinstance(linear, SumMap):
        axis = linear.axis % len(linear.input_shape)
        length, inner = linear.input_shape[axis], int(np.prod(linear.input_shape[axis + 1 :]))
        outer = int(np.prod(linear.input_shape[:axis]))
        source = np.arange(outer * length, dtype=np.int32).reshape(outer, length)
        return Layout(source, np.ones((1, length, 1, inner)), inner, outer * length)
    raise NotImplementedError(f"{type(linear).__name__} is not a sum of products")


def _each(positions: int) -> npt.NDArray[np.int32]:
    return np.arange(positions, dtype=np.int32)[:, None]


def _transposed(linear: TransposedConvMap) -> Layout:
    """Outputs of a transposed convolution gather where the convolution's outputs scatter."""
    conv = linear.conv
    count, taps = conv.source.shape
    outputs = int(np.prod(linear.output_shape[:-1]))
    source = np.full((outputs, taps), -1, dtype=np.int32)
    where, tap = np.nonzero(conv.source >= 0)
    source[conv.source[where, tap], tap] = where
    g, (cout, channels) = conv.groups, conv.kernel.shape[-2:]
    weight = conv.kernel.reshape(taps, cout, g, channels // g).transpose(0, 3, 2, 1)
    return Layout(source, np.ascontiguousarray(weight.reshape(1, taps, channels // g, g * cout)), g, count)
