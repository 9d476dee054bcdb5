"""Selection of inputs decided by the data: max pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from boundnet.maps.base import LinearMap, Shape, lead
from boundnet.rounding import Array, raise_tiny, up


class WeightedSelect(LinearMap):
    """y_i = sum_k weights[n, i, k] x[cells[i, k]] for each sample n: one-hot weights select.

    Args:
        cells: flat input indices, (*output_shape, K).
        weights: (N, *output_shape, K); cells of weight 0 are not read.
    """

    def __init__(self, cells: npt.NDArray[np.int64], weights: Array, input_shape: Shape) -> None:
        self.output_shape = cells.shape[:-1]
        self.input_shape = input_shape
        self._size = int(np.prod(input_shape, dtype=np.int64))
        count = cells.shape[-1]
        # One column where every window is decided, which is the rule in practice.
        heaviest = weights.argmax(axis=-1)[..., None]
        single = bool(((weights != 0.0).sum(axis=-1) <= 1).all())
        samples = len(weights)
        full = np.broadcast_to(cells, (samples, *cells.shape))
        self.cells = (np.take_along_axis(full, heaviest, -1) if single else full).reshape(
            samples, -1, 1 if single else count
        )
        self.weights = (np.take_along_axis(weights, heaviest, -1) if single else weights).reshape(self.cells.shape)
        self.exact = bool(((weights == 0.0) | (weights == 1.0)).all())
        self.fan_in = 0 if self.exact else count + 1
        used = self.cells[self.weights != 0.0]
        most = int(np.bincount(used, minlength=1).max(initial=0)) if used.size else 0
        self.fan_out = most + 1

    def injective(self) -> bool:
        """Whether every input reaches at most one output of its sample."""
        offset = self._size * np.arange(len(self.cells))[:, None, None]
        used = (self.cells + offset)[self.weights != 0.0]
        return len(np.unique(used)) == len(used)

    def _apply(self, x: Array, weights: Array) -> Array:
        front = lead(x, self.input_shape)
        flat = x.reshape(*front, -1)
        total = np.zeros((*front, self.cells.shape[1]))
        for k in range(self.cells.shape[2]):
            where = np.broadcast_to(self.cells[..., k], (*front[:-1], *self.cells.shape[:2]))
            taken = np.take_along_axis(flat, where, axis=-1)
            total += np.where(weights[..., k] == 0.0, 0.0, taken * weights[..., k])
        return total.reshape(*front, *self.output_shape)

    def apply(self, x: Array) -> Array:
        return self._apply(x, self.weights)

    def transpose(self, y: Array) -> Array:
        front = lead(y, self.output_shape)
        samples = front[-1]
        flat = y.reshape(-1, samples, self.cells.shape[1])
        x = np.zeros((flat.shape[0], samples * self._size))
        for k in range(self.cells.shape[2]):
            weight = self.weights[..., k].ravel()
            used = np.flatnonzero(weight)
            target = (self.cells[..., k] + self._size * np.arange(samples)[:, None]).ravel()[used]
            moved = flat.reshape(flat.shape[0], -1)[:, used]
            if not self.exact:
                moved = moved * weight[used]
            if len(np.unique(target)) == len(target):
                x[:, target] += moved
            else:
                where: Any = (slice(None), target)
                np.add.at(x, where, moved)
        return x.reshape(*front, *self.input_shape)

    def absolute(self, e: Array) -> Array:
        total = self._apply(e if self.exact else raise_tiny(e), raise_tiny(np.abs(self.weights)))
        return total if self.exact else up(total, self.fan_in)
