"""Selection of one input per output, decided by the data: max pooling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from boundnet.maps.base import LinearMap, Shape, lead
from boundnet.rounding import Array


class Select(LinearMap):
    """y = x[index] per sample, 0 where ``keep`` is False.  index: (N, *output_shape) into the flattened input."""

    def __init__(
        self, index: npt.NDArray[np.int64], keep: npt.NDArray[np.bool_], input_shape: Shape, output_shape: Shape
    ) -> None:
        self.index = index.reshape(index.shape[0], -1)
        self.keep = keep.reshape(keep.shape[0], -1)
        self.input_shape, self.output_shape = input_shape, output_shape
        self.fan_in = 0
        self.fan_out = int(np.prod(output_shape, dtype=np.int64))

    def apply(self, x: Array) -> Array:
        front = lead(x, self.input_shape)
        flat = x.reshape(*front, -1)
        taken = np.take_along_axis(flat, np.broadcast_to(self.index, (*front[:-1], *self.index.shape)), axis=-1)
        return np.where(self.keep, taken, 0.0).reshape(*front, *self.output_shape)

    def transpose(self, y: Array) -> Array:
        front = lead(y, self.output_shape)
        samples = front[-1]
        size = int(np.prod(self.input_shape, dtype=np.int64))
        flat = np.where(self.keep, y.reshape(-1, samples, self.index.shape[1]), 0.0)
        x = np.zeros((flat.shape[0], samples * size))
        target = (self.index + size * np.arange(samples)[:, None]).ravel()
        np.add.at(x, (slice(None), target), flat.reshape(flat.shape[0], -1))
        return x.reshape(*front, *self.input_shape)

    def absolute(self, e: Array) -> Array:
        return self.apply(e)
