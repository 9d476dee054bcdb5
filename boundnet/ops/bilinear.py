"""Products of two tensors summed over axes (Keras Dot, matmul, attention), and sums over an axis."""

from __future__ import annotations

import string
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from boundnet.arithmetic import OWN, Arithmetic
from boundnet.errors import GraphError
from boundnet.maps import ContractLeft, ContractRight, SumMap
from boundnet.maps.contract import Equation, einsum
from boundnet.numerics.outward import Array, Mask, raise_tiny, up, up_float
from boundnet.ops.base import Local, Op, Secant, Shape, Tensor
from boundnet.roundoff.inner_product import perturbed_bound
from boundnet.roundoff.mean_independent.roundings import MeanIndependent
from boundnet.roundoff.mean_independent.split import Split
from boundnet.roundoff.rounder import Rounder


class _Product(Op):
    """y = scale * sum over common letters of x z; the scale may be applied to either operand or to the sum."""

    arity: ClassVar[int | None] = 2
    scale: float = 1.0

    @abstractmethod
    def letters(self, left: Shape, right: Shape) -> Equation:
        """Letters of the axes of both operands and of the result; raises GraphError where ranks do not fit."""

    def output_shape(self, *shapes: Shape) -> Shape:
        a, b, c = self.letters(*shapes)
        sizes: dict[str, int] = {}
        for letter, size in (*zip(a, shapes[0], strict=True), *zip(b, shapes[1], strict=True)):
            if sizes.setdefault(letter, size) != size:
                raise GraphError(f"{self.describe()}: shapes {shapes[0]} and {shapes[1]} do not fit")
        return tuple(sizes[letter] for letter in c)

    def _einsum(self, x: Array, z: Array) -> Array:
        return einsum(self.letters(x.shape[1:], z.shape[1:]), x, z)

    def centre(self, *xs: Array) -> Array:
        y = self._einsum(xs[0], xs[1])
        return y if self.scale == 1.0 else y * self.scale

    def _sum(self, machine: Any, x: Any, z: Any) -> Any:
        a, b, c = self.letters(x.shape[1:], z.shape[1:])
        summed = [letter for letter in a if letter not in c]

        def arranged(values: Any, letters: str) -> Any:
            kept = [letter for letter in c if letter in letters]
            moved = np.transpose(values, [0, *(1 + letters.index(k) for k in (*kept, *summed))])
            sizes = dict(zip(letters, values.shape[1:], strict=True))
            return moved.reshape(len(values), *(sizes[k] if k in kept else 1 for k in c), -1)

        left, right = arranged(x, a), arranged(z, b)
        return machine.sum_of_products([(left[..., k], right[..., k]) for k in range(left.shape[-1])])

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        y = self._sum(machine, *xs)
        return y if self.scale == 1.0 else machine.mul(y, machine.constant(self.scale))

    def _scaled(self, operand: int) -> Callable[..., Any]:
        def form(machine: Any, *xs: Any) -> Any:
            scale = machine.constant(self.scale)
            return self._sum(machine, *(machine.mul(x, scale) if i == operand else x for i, x in enumerate(xs)))

        return form

    def forms(self) -> tuple[Callable[..., Any], ...]:
        return (self.evaluate,) if self.scale == 1.0 else (self.evaluate, self._scaled(0), self._scaled(1))

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        x, z = xs
        shapes = (x.centre.shape[1:], z.centre.shape[1:])
        equation, output = self.letters(*shapes), self.output_shape(*shapes)
        maps = (
            ContractLeft(equation, z.centre, shapes[0], output, self.scale),
            ContractRight(equation, x.centre, shapes[1], output, self.scale),
        )
        leaves = self._einsum(x.nonzero.astype(np.float64), z.nonzero.astype(np.float64))
        own, _ = self._rounding(OWN, np.abs(x.centre), np.abs(z.centre), leaves)
        error, overflow = own, np.zeros(own.shape, dtype=np.bool_)
        big = [up(np.abs(t.centre) + t.radius, 1) for t in xs]
        if rounder.arithmetic is not None:
            rounded, overflow = self._rounding(rounder.arithmetic, big[0], big[1], leaves)
            error = up(own + rounded, 1)
        strip = up(self._einsum(raise_tiny(x.radius), raise_tiny(z.radius)) * abs(self.scale), maps[0].fan_in + 1)
        # 0 * inf is NaN: nothing is exactly zero where an operand may have overflowed.
        zero = (leaves == 0.0) & all(bool(np.isfinite(t.radius).all()) for t in xs)
        return Local(maps, np.where(zero, 0.0, error), zero, overflow, strip=np.where(np.isnan(strip), np.inf, strip))

    def _rounding(self, rules: Arithmetic, x: Array, z: Array, leaves: Array) -> tuple[Array, Mask]:
        """n u sum |x z| to nearest in any order, ((1 + 2u)^n - 1) sum |x z| otherwise; then a store."""
        fmt = rules.accumulate
        a, _, c = self.letters(x.shape[1:], z.shape[1:])
        n = int(np.prod([size for letter, size in zip(a, x.shape[1:], strict=True) if letter not in c], dtype=np.int64))
        total = up(self._einsum(raise_tiny(x), raise_tiny(z)), n + 1)
        total = np.where(np.isnan(total), np.inf, total)
        flush = rules.flush()
        absolute = leaves * (2.0 * rules.absolute(fmt) + 5.0 * flush)
        columns: Array = np.zeros(())
        if rules.flushes_operands or self.scale != 1.0:
            ones = np.ones(x.shape), np.ones(z.shape)
            columns = up(self._einsum(ones[0], z) + self._einsum(x, ones[1]), n + 2)
        if rules.flushes_operands:
            absolute = absolute + flush * columns
        if rules.perturbation is not None:
            growth = perturbed_bound(rules, n, leaves, np.ones(leaves.shape), exact=rules.exact_stays)
            absolute = np.full(leaves.shape, (2.0 * n + 3.0) * rules.absolute(fmt))
        elif rules.nearest:
            growth = leaves * fmt.unit_roundoff
        else:
            growth = up(np.expm1(np.minimum(leaves * rules.relative(fmt), 600.0)), 12)
        if self.scale == 1.0:
            error = up(np.where(leaves == 0.0, 0.0, growth * total + (1.0 + growth) * absolute), 8)
            stored = rules.store(total, error)
        else:
            # One more relative error on the way, of an operand or of the sum, and the literal's own.
            size, keep = abs(self.scale), rules.relative(rules.storage) if rules.widens else 0.0
            literal = float(Rounder(rules).stored_error(np.asarray(self.scale))) / size
            step = up_float(rules.operation_relative + keep + rules.operation_relative * keep, 3)
            extra = up_float((1.0 + step) * (1.0 + literal) - 1.0 + 2.0**-50, 3)
            tiny = rules.absolute(fmt) + rules.absolute(rules.storage) + flush * (2.0 + size)
            within = (1.0 + growth) * (1.0 + extra)
            absolute = absolute * max(size, 1.0) * (1.0 + literal) + tiny * (1.0 + columns)
            error = up((growth + extra * (1.0 + growth)) * (total * size) + within * absolute, 12)
            if keep:  # a sum that is stored before it is scaled
                error = up(
                    error + size * (1.0 + literal) * (1.0 + step) * rules.store(up(total * (1.0 + growth), 2), absolute), 6
                )
            error = np.where(leaves == 0.0, 0.0, error)
            total = up(total * max(size, 1.0) * (1.0 + literal), 3)
            stored = rules.store(total, error)
        reached = up(total + stored, 1)
        return stored, rules.overflows(reached, reached)

    def secant(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Secant:
        """a1 a2 - b1 b2 = m2 (a1 - b1) + m1 (a2 - b2) with means m of a and b, within R of the centres (boxes of inputs)."""
        x, z = (raise_tiny(t.radius) for t in xs)
        first, second = (raise_tiny(radius) for radius in radii)
        noise = up((self._einsum(x, second) + self._einsum(first, z)) * abs(self.scale), local.maps[0].fan_in + 5)
        return Secant(local.maps, np.where(np.isnan(noise), np.inf, noise))


@dataclass(frozen=True, eq=False)
class Contract(_Product):
    """y = sum over axis ``axes[0]`` of x and ``axes[1]`` of z; the remaining axes follow, those of x first."""

    axes: tuple[int, int]

    def letters(self, left: Shape, right: Shape) -> Equation:
        i, j = self.axes
        if not (0 <= i < len(left) and 0 <= j < len(right)):
            raise GraphError(f"Contract: axes {self.axes} of shapes {left} and {right} do not fit")
        a = list(string.ascii_letters[: len(left)])
        b = list(string.ascii_letters[len(left) : len(left) + len(right)])
        b[j] = a[i]
        rest = [c for c in a if c != a[i]] + [c for c in b if c != a[i]]
        return "".join(a), "".join(b), "".join(rest)


@dataclass(frozen=True, eq=False)
class Einsum(_Product):
    """y = scale * einsum: ``equation`` such as "qhd,khd->hqk", letters of the batch axis left out.

    A letter of both operands is summed unless the result has it; a letter of one operand alone is in the result.
    """

    equation: str
    scale: float = 1.0

    def __post_init__(self) -> None:
        a, b, c = self._parts()
        repeated = any(len(set(letters)) != len(letters) for letters in (a, b, c))
        alone = set(a) ^ set(b)
        if repeated or not alone <= set(c) <= set(a) | set(b) or not np.isfinite(self.scale) or self.scale == 0.0:
            raise GraphError(f"Einsum: equation {self.equation!r} (scale {self.scale}) is none of this op")

    def _parts(self) -> Equation:
        operands, _, c = self.equation.partition("->")
        a, _, b = operands.partition(",")
        return a, b, c

    def letters(self, left: Shape, right: Shape) -> Equation:
        a, b, c = self._parts()
        if len(a) != len(left) or len(b) != len(right):
            raise GraphError(f"Einsum {self.equation}: shapes {left} and {right} do not fit")
        return a, b, c

    def describe(self) -> str:
        return f"Einsum {self.equation}" + ("" if self.scale == 1.0 else f" * {self.scale:.6g}")


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

    def split(self, errors: MeanIndependent, *xs: Tensor) -> Split | None:
        (x,) = xs
        return errors.inner(SumMap(x.centre.shape[1:], self.axis), x, None, self.centre(x.centre), products=False)
