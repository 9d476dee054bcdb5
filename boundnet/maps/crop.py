"""Maps restricted to a box of output elements and to the inputs that these read: receptive fields."""

from __future__ import annotations

import math
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.maps.base import Diagonal, LinearMap, Shape, Structural, Zero, lead
from boundnet.maps.conv import ConvMap
from boundnet.maps.dense import DenseMap
from boundnet.maps.select import WeightedSelect
from boundnet.maps.window import WindowSum
from boundnet.numerics.outward import Array

Region = tuple[tuple[int, int], ...]
"""(start, stop) for every axis of a shape."""


def whole(shape: Shape) -> Region:
    """The region that is all of ``shape``."""
    return tuple((0, n) for n in shape)


def size_of(region: Region) -> int:
    """Number of elements."""
    return math.prod(stop - start for start, stop in region)


def shape_of(region: Region) -> Shape:
    """Lengths of the region's axes."""
    return tuple(stop - start for start, stop in region)


def cut(x: npt.NDArray[Any], region: Region) -> npt.NDArray[Any]:
    """The region's part of (..., *shape)."""
    where: Any = (..., *(slice(start, stop) for start, stop in region))
    part: npt.NDArray[Any] = x[where]
    return part


def hull(a: Region, b: Region) -> Region:
    """Smallest region that holds both."""
    return tuple((min(p[0], q[0]), max(p[1], q[1])) for p, q in zip(a, b, strict=True))


def embed(x: Array, inner: Region, outer: Region) -> Array:
    """``x`` on ``inner`` as an array on ``outer``, zero elsewhere."""
    if inner == outer:
        return x
    y = np.zeros((*lead(x, shape_of(inner)), *shape_of(outer)))
    where: Any = (..., *(slice(p[0] - q[0], p[1] - q[0]) for p, q in zip(inner, outer, strict=True)))
    y[where] = x
    return y


Cropped = tuple[LinearMap, Region, Region]
"""A small map, the region of its inputs and the region of its outputs."""


@singledispatch
def crop(linear: LinearMap, region: Region) -> Cropped:
    """The map restricted to the outputs in ``region``, or in a wider one, and to the inputs that these read.

    Maps that know no windows stay whole; those that mix channels keep all of them.
    """
    return _uncropped(linear)


def _uncropped(linear: LinearMap) -> Cropped:
    return linear, whole(linear.input_shape), whole(linear.output_shape)


@crop.register
def _(linear: Diagonal, region: Region) -> Cropped:
    if len(linear.input_shape) != len(region) or region == whole(linear.output_shape):
        return _uncropped(linear)
    slope = np.broadcast_to(linear.slope, lead(linear.slope, linear.output_shape) + linear.output_shape)
    source = tuple((0, 1) if n == 1 else place for n, place in zip(linear.input_shape, region, strict=True))
    return Diagonal(cut(slope, region), shape_of(source), shape_of(region)), source, region


@crop.register
def _(linear: Zero, region: Region) -> Cropped:
    source = tuple((0, 0) for _ in linear.input_shape)
    return Zero(shape_of(source), shape_of(region)), source, region


@crop.register
def _(linear: ConvMap, region: Region) -> Cropped:
    source, padding = [], []
    for (start, stop), n, k, stride, d, (low, _) in zip(
        region[:-1], linear.input_shape[:-1], linear.size, linear.strides, linear.dilation, linear.padding, strict=True
    ):
        first, last = start * stride - low, (stop - 1) * stride + (k - 1) * d + 1 - low
        inside = (max(first, 0), min(last, n))
        if inside[0] >= inside[1]:  # windows in the padding alone
            return _uncropped(linear)
        source.append(inside)
        padding.append((inside[0] - first, last - inside[1]))
    channels, cout = linear.input_shape[-1], linear.output_shape[-1]
    target: Region = (*region[:-1], (0, cout))
    if target == whole(linear.output_shape):
        return _uncropped(linear)
    spatial = shape_of(tuple(source))
    small = ConvMap(linear.kernel, spatial, channels, linear.strides, linear.dilation, linear.groups, tuple(padding))
    return small, (*source, (0, channels)), target


@crop.register
def _(linear: WindowSum, region: Region) -> Cropped:
    return crop(linear.conv, region)


@crop.register
def _(linear: DenseMap, region: Region) -> Cropped:
    front, (n, m) = region[:-1], linear.kernel.shape
    return DenseMap(linear.kernel, shape_of(front)), (*front, (0, n)), (*front, (0, m))


@crop.register
def _(linear: Structural, region: Region) -> Cropped:
    if region == whole(linear.output_shape):
        return _uncropped(linear)
    index = cut(linear.index, region)
    boxed = _as_box(index, linear.input_shape)
    if boxed is not None:
        inner, source = boxed
        return _Place(inner, shape_of(region), shape_of(source)), source, region
    small, source = _gather(index, linear.input_shape)
    return _Gather(small, shape_of(source)), source, region


@crop.register
def _(linear: WeightedSelect, region: Region) -> Cropped:
    if region == whole(linear.output_shape):
        return _uncropped(linear)
    samples, count = len(linear.cells), linear.cells.shape[-1]
    cells = cut_cells(linear.cells.reshape(samples, *linear.output_shape, count), region)
    weights = cut_cells(linear.weights.reshape(samples, *linear.output_shape, count), region)
    small, source = _gather(np.where(weights != 0.0, cells, -1), linear.input_shape)
    return _Weighted(np.maximum(small, 0), weights, shape_of(source), shape_of(region)), source, region


def cut_cells(x: npt.NDArray[Any], region: Region) -> npt.NDArray[Any]:
    """:func:`cut` of an array with one more axis at the end."""
    where: Any = (slice(None), *(slice(start, stop) for start, stop in region), slice(None))
    part: npt.NDArray[Any] = x[where]
    return part


def _gather(index: npt.NDArray[np.int64], shape: Shape) -> tuple[npt.NDArray[np.int64], Region]:
    """Flat indices (-1 for none) into ``shape`` as indices into the box that holds them, and that box."""
    used = index >= 0
    if not used.any():
        return np.full(index.shape, -1), tuple((0, 0) for _ in shape)
    places = np.unravel_index(np.where(used, index, index[used][0]), shape)
    region = tuple((int(p.min()), int(p.max()) + 1) for p in places)
    moved = np.ravel_multi_index([p - start for p, (start, _) in zip(places, region, strict=True)], shape_of(region))
    return np.where(used, moved, -1), region


def _as_box(index: npt.NDArray[np.int64], shape: Shape) -> tuple[Region, Region] | None:
    """The box of outputs that copies a box of inputs element by element, and that box: padding, cropping; else None."""
    used = index >= 0
    if index.ndim != len(shape) or not used.any():
        return None
    inner = []
    for axis in range(index.ndim):
        along = np.flatnonzero(used.any(axis=tuple(a for a in range(index.ndim) if a != axis)))
        inner.append((int(along[0]), int(along[-1]) + 1))
    part = cut(index, tuple(inner))
    start = np.unravel_index(int(part.flat[0]), shape) if part.flat[0] >= 0 else None
    if start is None:
        return None
    source = tuple((int(s), int(s) + n) for s, n in zip(start, part.shape, strict=True))
    if any(stop > n for (_, stop), n in zip(source, shape, strict=True)):
        return None
    strides = [int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape))]
    expected = sum(
        (np.arange(s, e) * step).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        for axis, ((s, e), step) in enumerate(zip(source, strides, strict=True))
    )
    return (tuple(inner), source) if np.array_equal(part, np.broadcast_to(expected, part.shape)) else None


class _Place(LinearMap):
    """y = x on a box of the output, zero elsewhere."""

    def __init__(self, inner: Region, output_shape: Shape, input_shape: Shape) -> None:
        self.inner, self.output_shape, self.input_shape = inner, output_shape, input_shape
        self.fan_in = self.fan_out = 0

    def apply(self, x: Array) -> Array:
        return embed(x, self.inner, whole(self.output_shape))

    def transpose(self, y: Array) -> Array:
        return cut(y, self.inner)

    def absolute(self, e: Array) -> Array:
        return self.apply(e)


class _Gather(LinearMap):
    """y = x[index], zero where the index is -1."""

    def __init__(self, index: npt.NDArray[np.int64], input_shape: Shape) -> None:
        self.index = index
        self.input_shape, self.output_shape = input_shape, index.shape
        copies = np.bincount(index[index >= 0].ravel(), minlength=1)
        self.fan_in, self.fan_out = 0, max(int(copies.max(initial=0)) - 1, 0)

    def apply(self, x: Array) -> Array:
        flat = x.reshape(*lead(x, self.input_shape), -1)
        return np.where(self.index >= 0, flat[..., np.maximum(self.index, 0)], 0.0)

    def transpose(self, y: Array) -> Array:
        front = lead(y, self.output_shape)
        flat = y.reshape(-1, int(np.prod(self.output_shape, dtype=np.int64)))
        copied = np.flatnonzero(self.index.ravel() >= 0)
        source = self.index.ravel()[copied]
        x = np.zeros((len(flat), int(np.prod(self.input_shape, dtype=np.int64))))
        if self.fan_out == 0:
            x[:, source] = flat[:, copied]
        else:
            where: Any = (slice(None), source)
            np.add.at(x, where, flat[:, copied])
        return x.reshape(*front, *self.input_shape)

    def absolute(self, e: Array) -> Array:
        return self.apply(e)


class _Weighted(WeightedSelect):
    """A selection whose cells already differ from sample to sample."""

    def __init__(self, cells: npt.NDArray[np.int64], weights: Array, input_shape: Shape, output_shape: Shape) -> None:
        self.input_shape, self.output_shape = input_shape, output_shape
        self._size = int(np.prod(input_shape, dtype=np.int64))
        samples, count = len(weights), weights.shape[-1]
        self.cells, self.weights = cells.reshape(samples, -1, count), weights.reshape(samples, -1, count)
        self.exact = bool(((weights == 0.0) | (weights == 1.0)).all())
        self.fan_in = 0 if self.exact else count + 1
        used = self.cells[self.weights != 0.0]
        self.fan_out = int(np.bincount(used, minlength=1).max(initial=0)) + 1
