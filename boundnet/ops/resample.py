"""Bilinear interpolation of images between pixel centres that lie on dyadic fractions: exact weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.errors import GraphError
from boundnet.machines.floats import FloatMachine
from boundnet.maps import LinearMap
from boundnet.numerics.outward import Array, raise_tiny, up
from boundnet.ops.base import Local, Op, Program, Shape, Tensor, require_rank
from boundnet.roundoff.rounder import Rounder

FLOATS = FloatMachine()
FRACTION_BITS = 10


def neighbours(size: int, wanted: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Array]:
    """For each of ``wanted`` cells of an axis of ``size``: the two neighbours and the upper one's weight.

    Raises:
        GraphError: the weights are no dyadic fractions of few bits, so that code would round them.
    """
    place = (np.arange(wanted) + 0.5) * size / wanted - 0.5
    if (wanted % size and size % wanted) or not np.all(place * 2.0**FRACTION_BITS % 1.0 == 0.0):
        raise GraphError(f"bilinear interpolation from {size} to {wanted} cells has weights that code rounds")
    place = np.clip(place, 0.0, size - 1.0)
    low = np.floor(place).astype(np.int64)
    return low, np.minimum(low + 1, size - 1), place - low


class BilinearMap(LinearMap):
    """y = A x B^T for an image (h, w, channels), A and B with two weights in every row."""

    def __init__(self, shape: Shape, size: Shape) -> None:
        self.input_shape, self.output_shape = shape, (*size, shape[-1])
        self.rows, self.columns = (neighbours(n, wanted) for n, wanted in zip(shape, size, strict=False))
        self.fan_in = 8
        most = max(int(np.bincount(np.concatenate(axis[:2])).max()) for axis in (self.rows, self.columns))
        self.fan_out = most * most + 8

    @staticmethod
    def _matrix(axis: tuple[Any, Any, Array], size: int) -> Array:
        low, high, weight = axis
        matrix, row = np.zeros((len(low), size)), np.arange(len(low))
        matrix[row, low] += 1.0 - weight
        matrix[row, high] += weight
        return matrix

    @cached_property
    def _matrices(self) -> tuple[Array, Array]:
        return self._matrix(self.rows, self.input_shape[0]), self._matrix(self.columns, self.input_shape[1])

    def apply(self, x: Array) -> Array:
        a, b = self._matrices
        y: Array = np.einsum("ij,...jkc,lk->...ilc", a, x, b, optimize=True)
        return y

    def transpose(self, y: Array) -> Array:
        a, b = self._matrices
        x: Array = np.einsum("ij,...ilc,lk->...jkc", a, y, b, optimize=True)
        return x

    def absolute(self, e: Array) -> Array:
        infinite = ~np.isfinite(e)
        if not infinite.any():
            return up(self.apply(raise_tiny(e)), self.fan_in + sum(self.input_shape[:2]))
        worst = np.where(infinite.any(axis=(-3, -2, -1), keepdims=True), np.inf, 0.0)
        finite = np.where(infinite, 0.0, e)
        return np.asarray(self.absolute(finite) + worst)

    def corners(self, x: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The four neighbours of every cell: (..., H, W, channels) each, rows first."""
        return [x[..., rows[:, None], columns[None, :], :] for rows in self.rows[:2] for columns in self.columns[:2]]

    def leaves(self, x: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        down, right = self.rows[2][:, None, None], self.columns[2][None, :, None]
        weights = [r * c for r in (1.0 - down, down) for c in (1.0 - right, right)]
        yield from zip(self.corners(x), weights, strict=True)


@dataclass(frozen=True, eq=False)
class Bilinear(Op):
    """An image (h, w, channels) resized to ``size``, pixel centres aligned as halves (TensorFlow, Keras 3)."""

    size: tuple[int, int]

    def linear(self, shape: Shape) -> BilinearMap:
        """The map for an input of ``shape``, built once."""
        require_rank(shape, 3, "Bilinear")
        cache: dict[Shape, BilinearMap] = self.__dict__.setdefault("_maps", {})
        if shape not in cache:
            cache[shape] = BilinearMap(shape, self.size)
        return cache[shape]

    def output_shape(self, *shapes: Shape) -> Shape:
        return self.linear(shapes[0]).output_shape

    @staticmethod
    def weights(linear: BilinearMap) -> tuple[Array, ...]:
        """Weights of the lower and right neighbours, and what is left for the upper and left ones: dyadic, so exact."""
        down, right = linear.rows[2][:, None, None], linear.columns[2][None, :, None]
        return down, right, 1.0 - down, 1.0 - right

    @staticmethod
    def programs() -> tuple[Program, ...]:
        """Of the four neighbours and :meth:`weights`.

        top + (bottom - top) down, by rows or columns first; or weighted sums.
        """

        def lerp(m: Any, low: Any, high: Any, weight: Any) -> Any:
            return m.add(low, m.mul(m.sub(high, low), weight))

        def mix(m: Any, low: Any, high: Any, weight: Any, rest: Any) -> Any:
            return m.add(m.mul(low, rest), m.mul(high, weight))

        return (
            lambda m, a, b, c, d, down, right, *_: lerp(m, lerp(m, a, b, right), lerp(m, c, d, right), down),
            lambda m, a, b, c, d, down, right, *_: lerp(m, lerp(m, a, c, down), lerp(m, b, d, down), right),
            lambda m, a, b, c, d, down, right, up_, left: mix(
                m, mix(m, a, b, right, left), mix(m, c, d, right, left), down, up_
            ),
            lambda m, a, b, c, d, down, right, up_, left: mix(
                m, mix(m, a, c, down, up_), mix(m, b, d, down, up_), right, left
            ),
        )

    def forms(self) -> tuple[Callable[..., Any], ...]:
        def form(i: int) -> Callable[..., Any]:
            def run(machine: Any, x: Any) -> Any:
                linear = self.linear(x.shape[1:])
                return self.programs()[i](machine, *linear.corners(x), *map(machine.parameter, self.weights(linear)))

            return run

        return tuple(form(i) for i in range(4))

    def centre(self, *xs: Array) -> Array:
        y: Array = self.forms()[0](FLOATS, xs[0])
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return self.forms()[0](machine, xs[0])

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        linear = self.linear(x.centre.shape[1:])
        parts = zip(*(linear.corners(values) for values in (x.centre, x.radius, x.zero)), strict=True)
        corners = [replace(x, centre=c, radius=r, zero=z, spread_of=None) for c, r, z in parts]
        error, overflow = rounder.program(self.programs(), corners, self.weights(linear))
        zero = np.logical_and.reduce([corner.zero for corner in corners])
        return Local((linear,), np.where(zero, 0.0, error), zero, overflow & ~zero)
