"""Selection of inputs decided by the data: max pooling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from boundnet.kernels.products import dense
from boundnet.kernels.threads import spread
from boundnet.maps.base import LinearMap, Shape, lead, raised
from boundnet.numerics.outward import Array, raise_tiny


class WeightedSelect(LinearMap):
    """y_i = sum_k weights[n, i, k] x[cells[i, k]] for each sample n: one-hot weights select.

    Args:
        cells: flat input indices, (*output_shape, K).
        weights: (N, *output_shape, K); cells of weight 0 are not read.
    """

    def __init__(self, cells: npt.NDArray[np.int64], weights: Array, input_shape: Shape) -> None:
        from boundnet.kernels.gather import most_reads

        self.output_shape = cells.shape[:-1]
        self.input_shape = input_shape
        size = int(np.prod(input_shape, dtype=np.int64))
        count = cells.shape[-1]
        # One column where every window is decided, which is the rule in practice.
        single = bool(((weights != 0.0).sum(axis=-1) <= 1).all())
        samples = len(weights)
        full = np.broadcast_to(cells, (samples, *cells.shape))
        if single:
            heaviest = weights.argmax(axis=-1)[..., None]
            full, weights, count = np.take_along_axis(full, heaviest, -1), np.take_along_axis(weights, heaviest, -1), 1
        self.cells: npt.NDArray[np.int64] = np.ascontiguousarray(full, dtype=np.int64).reshape(samples, -1, count)
        self.weights = dense(weights).reshape(self.cells.shape)
        self.exact = bool(((weights == 0.0) | (weights == 1.0)).all())
        self.fan_in = 0 if self.exact else cells.shape[-1] + 1
        self._most = int(most_reads(self.cells, self.weights, size))
        self.fan_out = self._most + 1

    def injective(self) -> bool:
        """Whether every input reaches at most one output of its sample."""
        return self._most <= 1

    def _apply(self, x: Array, weights: Array) -> Array:
        from boundnet.kernels.gather import select

        front = lead(x, self.input_shape)
        flat = dense(x).reshape(int(np.prod(front)), int(np.prod(self.input_shape)))
        y = np.empty((len(flat), self.cells.shape[1]))
        spread(lambda i, j: select(flat[i:j], self.cells, weights, self.exact, i, y[i:j]), len(flat))
        return y.reshape(*front, *self.output_shape)

    def apply(self, x: Array) -> Array:
        return self._apply(x, self.weights)

    def transpose(self, y: Array) -> Array:
        from boundnet.kernels.gather import select_back

        front = lead(y, self.output_shape)
        flat = dense(y).reshape(int(np.prod(front)), self.cells.shape[1])
        x = np.zeros((len(flat), int(np.prod(self.input_shape, dtype=np.int64))))
        spread(lambda i, j: select_back(flat[i:j], self.cells, self.weights, self.exact, i, x[i:j]), len(flat))
        return x.reshape(*front, *self.input_shape)

    def absolute(self, e: Array) -> Array:
        total = self._apply(e if self.exact else raise_tiny(e), raise_tiny(np.abs(self.weights)))
        return total if self.exact else raised(total, self.fan_in)
