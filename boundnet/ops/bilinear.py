"""Products of two tensors summed over an axis (Keras Dot), and sums over an axis."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from boundnet.arithmetic import OWN, Arithmetic
from boundnet.errors import GraphError
from boundnet.inner_product import perturbed_bound
from boundnet.maps import ContractLeft, ContractRight, SumMap
from boundnet.ops.base import Local, Op, Shape, Tensor
from boundnet.rounder import Rounder
from boundnet.rounding import Array, Mask, raise_tiny, up


@dataclass(frozen=True, eq=False)
class Contract(Op):
    """y = sum over axis ``axes[0]`` of x and ``axes[1]`` of z; the remaining axes follow, those of x first."""

    axes: tuple[int, int]
    arity: ClassVar[int | None] = 2

    def _equation(self, left: Shape, right: Shape) -> tuple[str, str, str]:
        letters = string.ascii_letters
        a = list(letters[: len(left)])
        b = list(letters[len(left) : len(left) + len(right)])
        b[self.axes[1]] = a[self.axes[0]]
        rest = [c for c in a if c != a[self.axes[0]]] + [c for c in b if c != a[self.axes[0]]]
        return "".join(a), "".join(b), "".join(rest)

    def output_shape(self, *shapes: Shape) -> Shape:
        left, right = shapes
        i, j = self.axes
        if not (0 <= i < len(left) and 0 <= j < len(right)) or left[i] != right[j]:
            raise GraphError(f"Contract: axes {self.axes} of shapes {left} and {right} do not fit")
        return (*left[:i], *left[i + 1 :], *right[:j], *right[j + 1 :])

    def _einsum(self, x: Array, z: Array) -> Array:
        a, b, c = self._equation(x.shape[1:], z.shape[1:])
        y: Array = np.einsum(f"Z{a},Z{b}->Z{c}", x, z)
        return y

    def centre(self, *xs: Array) -> Array:
        return self._einsum(xs[0], xs[1])

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        x, z = np.moveaxis(xs[0], self.axes[0] + 1, 1), np.moveaxis(xs[1], self.axes[1] + 1, 1)
        left = (x[:, k].reshape(x.shape[0], *x.shape[2:], *(1,) * (z.ndim - 2)) for k in range(x.shape[1]))
        right = (z[:, k].reshape(z.shape[0], *(1,) * (x.ndim - 2), *z.shape[2:]) for k in range(x.shape[1]))
        return machine.sum_of_products(list(zip(left, right, strict=True)))

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        x, z = xs
        shapes = (x.centre.shape[1:], z.centre.shape[1:])
        equation, output = self._equation(*shapes), self.output_shape(*shapes)
        maps = (
            ContractLeft(equation, z.centre, shapes[0], output),
            ContractRight(equation, x.centre, shapes[1], output),
        )
        leaves = self._einsum(x.nonzero.astype(np.float64), z.nonzero.astype(np.float64))
        own, _ = self._rounding(OWN, np.abs(x.centre), np.abs(z.centre), leaves)
        error, overflow = own, np.zeros(own.shape, dtype=np.bool_)
        big = [up(np.abs(t.centre) + t.radius, 1) for t in xs]
        if rounder.arithmetic is not None:
            rounded, overflow = self._rounding(rounder.arithmetic, big[0], big[1], leaves)
            error = up(own + rounded, 1)
        terms = shapes[0][self.axes[0]] + 1
        strip = up(self._einsum(raise_tiny(x.radius), raise_tiny(z.radius)), terms)
        # 0 * inf is NaN: nothing is exactly zero where an operand may have overflowed.
        zero = (leaves == 0.0) & all(bool(np.isfinite(t.radius).all()) for t in xs)
        return Local(maps, np.where(zero, 0.0, error), zero, overflow, strip=np.where(np.isnan(strip), np.inf, strip))

    def _rounding(self, rules: Arithmetic, x: Array, z: Array, leaves: Array) -> tuple[Array, Mask]:
        """n u sum |x z| to nearest in any order, ((1 + 2u)^n - 1) sum |x z| otherwise; then a store."""
        n = x.shape[self.axes[0] + 1]
        fmt = rules.accumulate
        total = up(self._einsum(raise_tiny(x), raise_tiny(z)), n + 1)
        total = np.where(np.isnan(total), np.inf, total)
        flush = rules.flush()
        absolute = leaves * (2.0 * rules.absolute(fmt) + 5.0 * flush)
        if rules.flushes_operands:
            ones = np.ones(x.shape), np.ones(z.shape)
            absolute = absolute + flush * (self._einsum(ones[0], z) + self._einsum(x, ones[1]))
        if rules.perturbation is not None:
            error = perturbed_bound(rules, n, leaves, total)
            stored = rules.store(total, error)
            reached = up(total + stored, 1)
            return stored, rules.overflows(reached, reached)
        if rules.nearest:
            growth = leaves * fmt.unit_roundoff
        else:
            growth = up(np.expm1(np.minimum(leaves * rules.relative(fmt), 600.0)), 12)
        error = up(np.where(leaves == 0.0, 0.0, growth * total + (1.0 + growth) * absolute), 8)
        stored = rules.store(total, error)
        reached = up(total + stored, 1)
        return stored, rules.overflows(reached, reached)

    def difference(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Array:
        x, z = (raise_tiny(np.abs(t.centre) + t.radius) for t in xs)
        total = self._einsum(x, raise_tiny(radii[1])) + self._einsum(raise_tiny(radii[0]), z)
        terms = xs[0].centre.shape[self.axes[0] + 1] + 4
        return up(np.where(np.isnan(total), np.inf, total), terms)


@dataclass(frozen=True, eq=False)
class Total(Op):
    """Sum over ``axis`` (batch excluded), kept with length 1."""

    axis: int

    def output_shape(self, *shapes: Shape) -> Shape:
        shape = shapes[0]
        if not 0 <= self.axis < len(shape):
            raise GraphError(f"Total: there is no axis {self.axis} in shape {shape}")
        return (*shape[: self.axis], 1, *shape[self.axis + 1 :])

    def centre(self, *xs: Array) -> Array:
        y: Array = xs[0].sum(axis=self.axis + 1, keepdims=True)
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        axis = self.axis + 1
        return machine.sum_of_products([(np.take(xs[0], [i], axis=axis), None) for i in range(xs[0].shape[axis])])

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        (x,) = xs
        linear = SumMap(x.centre.shape[1:], self.axis)
        error, overflow = rounder.inner(linear, x, None, self.centre(x.centre), products=False)
        zero = np.asarray(x.zero.all(axis=self.axis + 1, keepdims=True), dtype=np.bool_)
        return Local((linear,), error, zero, overflow)
