"""The machine that evaluates centres: NumPy in binary64."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundnet.numerics.elementary import VECTOR
from boundnet.numerics.outward import Array


class FloatMachine:
    """Binary64, round to nearest.  Values are float64 arrays."""

    def constant(self, value: float) -> Array:
        return np.float64(value)  # type: ignore[return-value]

    def parameter(self, value: Array) -> Array:
        return value

    def add(self, a: Array, b: Array) -> Array:
        return a + b

    def sub(self, a: Array, b: Array) -> Array:
        return a - b

    def mul(self, a: Array, b: Array) -> Array:
        return a * b

    def div(self, a: Array, b: Array) -> Array:
        return a / b

    def maximum(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)

    def minimum(self, a: Array, b: Array) -> Array:
        return np.minimum(a, b)

    def absolute(self, a: Array) -> Array:
        return np.abs(a)

    def negative(self, a: Array) -> Array:
        return -a

    def where(self, x: Array, threshold: float, above: Array, below: Array, apart: Any = None) -> Array:
        return np.where(x >= threshold, above, below)

    def function(self, name: str, a: Array) -> Array:
        return VECTOR[name](a)
