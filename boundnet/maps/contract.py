"""Products of two tensors seen as linear maps of one of them."""

from __future__ import annotations

import numpy as np

from boundnet.maps.base import LinearMap, Shape, finite_or_all_infinite
from boundnet.rounding import Array, raise_tiny, up


class ContractLeft(LinearMap):
    """y = einsum(left, right) as a map of the left operand; ``right``: (N, *right_shape) is data of each sample."""

    def __init__(self, equation: tuple[str, str, str], right: Array, input_shape: Shape, output_shape: Shape) -> None:
        self.equation = equation
        self.right = right
        self.input_shape, self.output_shape = input_shape, output_shape
        a, b, c = equation
        sizes = {**dict(zip(a, input_shape, strict=True)), **dict(zip(b, right.shape[1:], strict=True))}
        self.fan_in = int(np.prod([sizes[x] for x in set(a) - set(c)], dtype=np.int64)) + 1
        self.fan_out = int(np.prod([sizes[x] for x in set(c) - set(a)], dtype=np.int64)) + 1

    def _einsum(self, x: Array, source: str, target: str, right: Array) -> Array:
        y: Array = np.einsum(f"...{source},...{self.equation[1]}->...{target}", x, right, optimize=True)
        return y

    def apply(self, x: Array) -> Array:
        return self._einsum(x, self.equation[0], self.equation[2], self.right)

    def transpose(self, y: Array) -> Array:
        return self._einsum(y, self.equation[2], self.equation[0], self.right)

    def absolute(self, e: Array) -> Array:
        right = raise_tiny(np.abs(self.right))
        return finite_or_all_infinite(
            e,
            self.input_shape,
            lambda f: up(self._einsum(raise_tiny(f), self.equation[0], self.equation[2], right), self.fan_in),
        )


class ContractRight(ContractLeft):
    """The same as a map of the right operand, given the left one."""

    def __init__(self, equation: tuple[str, str, str], left: Array, input_shape: Shape, output_shape: Shape) -> None:
        a, b, c = equation
        super().__init__((b, a, c), left, input_shape, output_shape)
