"""Jacobians of normalisations: a diagonal and products of few vectors along the last axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from boundnet.maps.base import LinearMap, Shape, finite_or_all_infinite, lead
from boundnet.rounding import Array, raise_tiny, up


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
    """

    def __init__(self, diagonal: Array, pairs: Sequence[tuple[Array, Array]], input_shape: Shape, axes: int = 1) -> None:
        self.diagonal, self.pairs = diagonal, tuple(pairs)
        self.input_shape = self.output_shape = input_shape
        self._groups = (*input_shape[: len(input_shape) - axes], diagonal.shape[-1])
        # Sums over the others, two products and the additions of the pairs.
        self.fan_in = self.fan_out = diagonal.shape[-1] + 4 + len(self.pairs)

    def _grouped(self, x: Array) -> Array:
        return x.reshape(*lead(x, self.input_shape), *self._groups)

    def apply(self, x: Array) -> Array:
        x_ = self._grouped(x)
        y = x_ * self.diagonal
        for u, v in self.pairs:
            y = y - u * others(v * x_)
        return y.reshape(x.shape)

    def transpose(self, y: Array) -> Array:
        y_ = self._grouped(y)
        x = y_ * self.diagonal
        for u, v in self.pairs:
            x = x - v * others(u * y_)
        return x.reshape(y.shape)

    def absolute(self, e: Array) -> Array:
        return finite_or_all_infinite(e, self.input_shape, self._absolute)

    def _absolute(self, e: Array) -> Array:
        e_ = raise_tiny(self._grouped(e))
        y = e_ * raise_tiny(np.abs(self.diagonal))
        for u, v in self.pairs:
            y = y + raise_tiny(np.abs(u)) * raise_tiny(others(raise_tiny(np.abs(v)) * e_))
        return up(y, self.fan_in).reshape(e.shape)

    def evaluate(self, machine: Any, x: Any) -> Any:
        """The map on a reference machine's numbers (N, *input_shape)."""
        x_ = x.reshape(len(x), *self._groups)
        y = machine.mul(x_, machine.parameter(self.diagonal))
        for u, v in self.pairs:
            own = machine.mul(x_, machine.parameter(v))
            rest = machine.sub(own.sum(axis=-1, keepdims=True), own)
            y = machine.sub(y, machine.mul(machine.parameter(u), rest))
        return y.reshape(x.shape)
