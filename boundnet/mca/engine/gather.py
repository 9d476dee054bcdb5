"""Sums of products as tables of indices: which inputs and weights every output's leaves have, in document order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boundnet.maps import BatchDenseMap, ConvMap, DenseMap, LinearMap, SumMap, TransposedConvMap, WindowSum
from boundnet.numerics.outward import Array

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Gather:
    """y[cell, column]: for all positions p and channels c the sum of

    x[base[cell, p] + (column // per) * cin + c] * weights[chosen[cell], p * cin + c, column].

    Attributes:
        base: (cells, positions), flat index of the first input channel, -1 in the padding, where there is no leaf.
        chosen: (cells,), which set of weights.
        weights: (sets, positions * cin, columns).
    """

    base: Index
    chosen: Index
    weights: Array
    cin: int
    per: int

    @property
    def leaves(self) -> int:
        """Most leaves of an output."""
        return int(self.weights.shape[1])


def gather(linear: LinearMap) -> Gather | None:
    """The table of ``linear``, None for a kind of map that has none here."""
    if isinstance(linear, DenseMap):
        n, m = linear.kernel.shape
        cells = int(np.prod(linear.front, dtype=np.int64))
        return Gather(np.arange(cells)[:, None] * n, _first(cells), linear.kernel[None], n, m)
    if isinstance(linear, BatchDenseMap):
        *batch, n, m = linear.kernel.shape
        sets = int(np.prod(batch, dtype=np.int64))
        cells = int(np.prod(linear.front, dtype=np.int64)) * sets
        return Gather(np.arange(cells)[:, None] * n, np.arange(cells) % sets, linear.kernel.reshape(sets, n, m), n, m)
    if isinstance(linear, WindowSum):
        return _conv(linear.conv)
    if isinstance(linear, ConvMap):
        return _conv(linear)
    if isinstance(linear, TransposedConvMap):
        return _transposed(linear.conv)
    if isinstance(linear, SumMap):
        axis = linear.axis + len(linear.input_shape)
        index = np.arange(int(np.prod(linear.input_shape, dtype=np.int64))).reshape(linear.input_shape)
        base = np.moveaxis(index, axis, -1).reshape(-1, linear.input_shape[axis])
        return Gather(np.ascontiguousarray(base), _first(len(base)), np.ones((1, base.shape[1], 1)), 1, 1)
    return None


def _first(cells: int) -> Index:
    return np.zeros(cells, dtype=np.int64)


def _conv(conv: ConvMap) -> Gather:
    """Every position of the kernel meets one input cell; the same map with one channel says which."""
    spatial, channels = conv.input_shape[:-1], conv.input_shape[-1]
    single = ConvMap(np.ones((*conv.size, 1, 1)), spatial, 1, conv.strides, conv.dilation, 1, conv.padding)
    # Cells are numbered from 1, so that the padding's zero stands out.
    number = np.arange(1, int(np.prod(spatial, dtype=np.int64)) + 1).reshape(*spatial, 1)
    base = np.stack([np.asarray(cell).reshape(-1) for cell, _ in single.leaves(number)], axis=1)
    base = np.where(base > 0, (base - 1) * channels, -1)
    cin, cout = conv.kernel.shape[-2:]
    return Gather(base, _first(len(base)), conv.kernel.reshape(1, -1, cout), cin, cout // conv.groups)


def _transposed(conv: ConvMap) -> Gather:
    """As :func:`_conv` for the transpose of ``conv``, whose kernel is (*k, cout // groups, cin)."""
    spatial, channels = conv.output_shape[:-1], conv.output_shape[-1]
    single = TransposedConvMap(
        ConvMap(np.ones((*conv.size, 1, 1)), conv.input_shape[:-1], 1, conv.strides, conv.dilation, 1, conv.padding)
    )
    number = np.arange(1, int(np.prod(spatial, dtype=np.int64)) + 1).reshape(*spatial, 1)
    base = np.stack([np.asarray(cell).reshape(-1) for cell, _ in single.leaves(number)], axis=1)
    base = np.where(base > 0, (base - 1) * channels, -1)
    g, (out, total) = conv.groups, conv.kernel.shape[-2:]
    cin = total // g
    # Column (group, o), channel c of the group: kernel[position, o, c + group * cin].
    kernel = conv.kernel.reshape(-1, out, g, cin).transpose(0, 3, 2, 1)
    return Gather(base, _first(len(base)), np.ascontiguousarray(kernel.reshape(1, -1, g * out)), cin, out)
