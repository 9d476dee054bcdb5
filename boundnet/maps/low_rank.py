"""Jacobians of normalisations: a diagonal and products of few vectors along the last axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from boundnet.maps.base import LinearMap, Shape, finite_or_all_infinite, lead
from boundnet.numerics.outward import Array, raise_tiny, up


def others(values: Array) -> Array:
    """Sum over the last axis of all entries but one's own, without subtraction: at most n + 1 roundings a path."""
    before = np.cumsum(values[..., :-1], axis=-1)
    after = np.cumsum(values[..., :0:-1], axis=-1)[..., ::-1]
    total = np.zeros(values.shape)
    total[..., 1:] += before
    total[..., :-1] += after
    return total


class LowRank(LinearMap):
    """y_i = diagonal_i x_i - sum over the pairs (u, v) of u_i sum_(j != i) v_j x_j, in groups of the last axes.

    Args:
        diagonal: (N, *groups, n), the input's shape with the last ``axes`` axes flattened into one.
        pairs: the same shapes each.
        input_shape: without leading axes; the result has the same.
        axes: how many last axes make up a group.
        moved: instead of the last axis, the one whose entries make up a group.
    """

    def __init__(
        self, diagonal: Array, pairs: Sequence[tuple[Array, Array]], input_shape: Shape, axes: int = 1,
        moved: int | None = None,
    ) -> None:  # fmt: skip
        self.diagonal, self.pairs = diagonal, tuple(pairs)
        self.input_shape = self.output_shape = input_shape
        self._from_end = -1 if moved is None else moved - len(input_shape)
        self._groups = diagonal.shape[1:]
        # Sums over the others, two products and the additions of the pairs.
        self.fan_in = self.fan_out = diagonal.shape[-1] + 4 + len(self.pairs)

    def _grouped(self, x: Any) -> Any:
        return np.moveaxis(x, self._from_end, -1).reshape(*lead(x, self.input_shape), *self._groups)

    def _restored(self, y: Any, shape: Shape) -> Any:
        swapped = (*shape[: self._from_end], *(shape[self._from_end + 1 :] if self._from_end != -1 else ()))
        return np.moveaxis(y.reshape(*swapped, -1), -1, self._from_end) if self._from_end != -1 else y.reshape(shape)

    def apply(self, x: Array) -> Array:
        x_ = self._grouped(x)
        y = x_ * self.diagonal
        for u, v in self.pairs:
            y = y - u * others(v * x_)
        restored: Array = self._restored(y, x.shape)
        return restored

    def transpose(self, y: Array) -> Array:
        y_ = self._grouped(y)
        x = y_ * self.diagonal
        for u, v in self.pairs:
            x = x - v * others(u * y_)
        restored: Array = self._restored(x, y.shape)
        return restored

    def absolute(self, e: Array) -> Array:
        return finite_or_all_infinite(e, self.input_shape, self._absolute)

    def _absolute(self, e: Array) -> Array:
        e_ = raise_tiny(self._grouped(e))
        y = e_ * raise_tiny(np.abs(self.diagonal))
        for u, v in self.pairs:
            y = y + raise_tiny(np.abs(u)) * raise_tiny(others(raise_tiny(np.abs(v)) * e_))
        restored: Array = self._restored(up(y, self.fan_in), e.shape)
        return restored

    def evaluate(self, machine: Any, x: Any) -> Any:
        """The map on a reference machine's numbers (N, *input_shape)."""
        x_ = self._grouped(x)
        y = machine.mul(x_, machine.parameter(self.diagonal))
        for u, v in self.pairs:
            own = machine.mul(x_, machine.parameter(v))
            rest = machine.sub(own.sum(axis=-1, keepdims=True), own)
            y = machine.sub(y, machine.mul(machine.parameter(u), rest))
        return self._restored(y, x.shape)
