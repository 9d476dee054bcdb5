"""Products of two tensors seen as linear maps of one of them."""

from __future__ import annotations

import numpy as np

from boundnet.maps.base import LinearMap, Shape, finite_or_all_infinite, lead
from boundnet.numerics.outward import Array, raise_tiny, up

Equation = tuple[str, str, str]
"""Letters of the left operand, of the right one and of the result; letters of one operand alone are in the result."""


def einsum(equation: Equation, left: Array, right: Array) -> Array:
    """The product as one batched GEMM.  left: (..., N, *left axes), right: (N, *right axes)."""
    a, b, c = equation
    batch = [x for x in c if x in a and x in b]
    summed = [x for x in a if x in b and x not in c]
    rows, columns = [x for x in c if x in a and x not in b], [x for x in c if x in b and x not in a]
    sizes = {**dict(zip(a, left.shape[left.ndim - len(a) :], strict=True)), **dict(zip(b, right.shape[1:], strict=True))}

    def arranged(x: Array, letters: str, order: tuple[list[str], ...]) -> Array:
        front = x.ndim - len(letters)
        moved = np.transpose(x, [*range(front), *(front + letters.index(k) for group in order for k in group)])
        count = [int(np.prod([sizes[k] for k in group], dtype=np.int64)) for group in order[1:]]
        return moved.reshape(*x.shape[:front], *(sizes[k] for k in batch), *count)

    y = arranged(left, a, (batch, rows, summed)) @ arranged(right, b, (batch, summed, columns))
    front = lead(left, tuple(a))  # type: ignore[arg-type]
    current = [*batch, *rows, *columns]
    y = y.reshape(*front, *(sizes[k] for k in current))
    return np.transpose(y, [*range(len(front)), *(len(front) + current.index(k) for k in c)])


class ContractLeft(LinearMap):
    """y = scale * einsum(left, right) as a map of the left operand; ``right``: (N, *right_shape) is data of each sample."""

    def __init__(
        self, equation: Equation, right: Array, input_shape: Shape, output_shape: Shape, scale: float = 1.0
    ) -> None:
        self.equation = equation
        self.right = right
        self.scale = scale
        self.input_shape, self.output_shape = input_shape, output_shape
        a, b, c = equation
        sizes = {**dict(zip(a, input_shape, strict=True)), **dict(zip(b, right.shape[1:], strict=True))}
        self.fan_in = int(np.prod([sizes[x] for x in set(a) - set(c)], dtype=np.int64)) + 2
        self.fan_out = int(np.prod([sizes[x] for x in set(c) - set(a)], dtype=np.int64)) + 2

    def _scaled(self, y: Array) -> Array:
        return y if self.scale == 1.0 else y * self.scale

    def apply(self, x: Array) -> Array:
        return self._scaled(einsum(self.equation, x, self.right))

    def transpose(self, y: Array) -> Array:
        a, b, c = self.equation
        return self._scaled(einsum((c, b, a), y, self.right))

    def absolute(self, e: Array) -> Array:
        right = raise_tiny(raise_tiny(np.abs(self.right)) * abs(self.scale))
        return finite_or_all_infinite(
            e, self.input_shape, lambda f: up(einsum(self.equation, raise_tiny(f), right), self.fan_in)
        )


class ContractRight(ContractLeft):
    """The same as a map of the right operand, given the left one."""

    def __init__(self, equation: Equation, left: Array, input_shape: Shape, output_shape: Shape, scale: float = 1.0) -> None:
        a, b, c = equation
        super().__init__((b, a, c), left, input_shape, output_shape, scale)
