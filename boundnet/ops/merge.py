"""Ops that combine tensors element by element, with NumPy broadcasting between tensors of equal rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import numpy as np

from boundnet.arithmetic import Arithmetic
from boundnet.errors import GraphError
from boundnet.machines.base import Machine
from boundnet.machines.running import RunningMachine, Tracked
from boundnet.maps import Diagonal, LinearMap, Zero
from boundnet.numerics.intervals import Box
from boundnet.numerics.outward import Array, Mask, raise_tiny, up
from boundnet.ops.base import Local, Op, Secant, Shape, Tensor
from boundnet.ops.elementwise import FLOATS
from boundnet.ops.maxima import choose, read_error, read_within, secant_choice
from boundnet.roundoff.exact_sums import exact_addition
from boundnet.roundoff.mean_independent.roundings import MeanIndependent
from boundnet.roundoff.mean_independent.split import Split
from boundnet.roundoff.rounder import Rounder


class _Merge(Op):
    """Elementwise op on several tensors."""

    arity: ClassVar[int | None] = None

    def output_shape(self, *shapes: Shape) -> Shape:
        if len({len(shape) for shape in shapes}) != 1:
            raise GraphError(f"{self.describe()}: inputs differ in rank: {list(shapes)}")
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise GraphError(f"{self.describe()}: shapes {list(shapes)} do not broadcast") from None

    def program(self, m: Machine, *xs: Any) -> Any:
        """The op as a scalar program, inputs folded from the left."""
        raise NotImplementedError

    def centre(self, *xs: Array) -> Array:
        y: Array = self.program(FLOATS, *xs)
        return y

    def evaluate(self, machine: Any, *xs: Any) -> Any:
        return self.program(machine, *xs)

    def split(self, errors: MeanIndependent, *xs: Tensor) -> Split | None:
        # More terms may be added in another order.
        return errors.program(self.forms(), xs) if len(xs) == 2 else None

    def forms(self) -> tuple[Callable[..., Any], ...]:
        return (self.program,)


def _shapes(xs: Sequence[Tensor]) -> tuple[list[Shape], Shape]:
    shapes = [x.centre.shape[1:] for x in xs]
    return shapes, np.broadcast_shapes(*shapes)


def _spread(mask: Mask, count: int, shape: Shape) -> Mask:
    return np.broadcast_to(mask, (count, *shape))


def _tree_sum(m: RunningMachine, terms: Sequence[Tracked]) -> Tracked:
    """The terms added in any order.

    Each of the n - 1 additions is at most one operation on a sum of n magnitudes; errors add up along the tree
    (Higham 2002, section 4.2), amplified by no later operation since additions have slope 1.
    """
    rules = m.arithmetic
    total, error = np.zeros(()), np.zeros(())
    overflow: Mask = np.False_  # type: ignore[assignment]
    for term in terms:
        total, error = total + term.exact.magnitude, error + term.error
        overflow = overflow | term.overflow
    total, error = up(total, len(terms)), up(error, len(terms))
    operands = 2.0 * rules.flush() if rules.flushes_operands else 0.0
    for _ in range(len(terms) - 1):
        reached = up(total + error, 1)
        error = up(error + rules.one_operation(reached, reached) + operands, 3)
    reached = up(total + error, 1)
    return Tracked(Box(-total, total), error, overflow | rules.overflows(reached, reached))


def _free_order(rounder: Rounder, count: int) -> RunningMachine | None:
    """A machine for :func:`_tree_sum` where ``count`` terms may be added in more than one order."""
    rules = rounder.arithmetic
    return RunningMachine(rules) if rules is not None and count > 2 and rules.order.kind != "sequential" else None


def _variables(m: RunningMachine, xs: Sequence[Tensor]) -> list[Tracked]:
    return [m.variable(Box.around(x.centre, x.radius)) for x in xs]


@dataclass(frozen=True, eq=False)
class Add(_Merge):
    """Sum of all inputs."""

    def stores_once(self, rules: Arithmetic, operands: int) -> bool:
        return operands == 2

    def program(self, m: Machine, *xs: Any) -> Any:
        return reduce(m.add, xs)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        shapes, output = _shapes(xs)
        error, overflow = rounder.program((self.program,), xs)
        machine = _free_order(rounder, len(xs))
        if machine is not None:
            free = _tree_sum(machine, _variables(machine, xs))
            error, overflow = np.maximum(error, free.error), overflow | free.overflow
        zero = np.logical_and.reduce([_spread(x.zero, len(xs[0].centre), output) for x in xs])
        others = sum(_spread(x.nonzero, len(xs[0].centre), output).astype(np.int64) for x in xs)
        one = np.ones(output)
        maps = tuple(Diagonal(one, shape, output) for shape in shapes)
        # x + 0 is x: exact unless it is flushed or narrowed, which a stored x is not any more.
        rules = rounder.arithmetic
        exact = (others <= 1) & (rules is None or (rules.exact_stays and not rules.flushes))
        on_grid = exact_addition(rules, xs)
        if on_grid is not None:
            exact = exact | on_grid
        return Local(maps, np.where(zero | exact, 0.0, error), zero, overflow & ~zero)


@dataclass(frozen=True, eq=False)
class Subtract(_Merge):
    """First input minus the second."""

    arity: ClassVar[int | None] = 2

    def stores_once(self, rules: Arithmetic, operands: int) -> bool:
        return True

    def program(self, m: Machine, *xs: Any) -> Any:
        return m.sub(xs[0], xs[1])

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        shapes, output = _shapes(xs)
        error, overflow = rounder.program((self.program,), xs)
        zero = np.logical_and.reduce([_spread(x.zero, len(xs[0].centre), output) for x in xs])
        exact = exact_addition(rounder.arithmetic, xs)
        one = np.ones(output)
        maps = (Diagonal(one, shapes[0], output), Diagonal(-one, shapes[1], output))
        return Local(maps, np.where(zero if exact is None else zero | exact, 0.0, error), zero, overflow & ~zero)


@dataclass(frozen=True, eq=False)
class Average(_Merge):
    """Sum of all inputs divided by their number (or multiplied by the rounded reciprocal)."""

    def program(self, m: Machine, *xs: Any) -> Any:
        return m.div(reduce(m.add, xs), m.constant(float(len(xs))))

    def forms(self) -> tuple[Callable[..., Any], ...]:
        return self._listed

    @property
    def _listed(self) -> tuple[Callable[..., Any], ...]:
        return self.program, self._by_reciprocal, self._scaled_first

    def _by_reciprocal(self, m: Machine, *xs: Any) -> Any:
        return m.mul(reduce(m.add, xs), m.div(m.constant(1.0), m.constant(float(len(xs)))))

    def _scaled_first(self, m: Machine, *xs: Any) -> Any:
        return reduce(m.add, (m.div(x, m.constant(float(len(xs)))) for x in xs))

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        shapes, output = _shapes(xs)
        error, overflow = rounder.program((self.program, self._by_reciprocal, self._scaled_first), xs)
        m = _free_order(rounder, len(xs))
        if m is not None:
            terms, count = _variables(m, xs), m.constant(float(len(xs)))
            total, inverse = _tree_sum(m, terms), m.div(m.constant(1.0), count)
            for free in (m.div(total, count), m.mul(total, inverse), _tree_sum(m, [m.div(x, count) for x in terms])):
                error, overflow = np.maximum(error, free.error), overflow | free.overflow
        zero = np.zeros((len(xs[0].centre), *output), dtype=np.bool_)
        share = np.full(output, 1.0 / len(xs))
        maps = tuple(Diagonal(share, shape, output) for shape in shapes)
        # 1/n in float64 is off by 2**-53 relative at most.
        strip = up(sum((np.abs(m.absolute(x.radius)) for m, x in zip(maps, xs, strict=True)), np.zeros(())) * 2.0**-52, 3)
        return Local(maps, error, zero, overflow, strip=np.where(np.isnan(strip), np.inf, strip))

    def secant(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Secant:
        total = sum((m.absolute(radius) for m, radius in zip(local.maps, radii, strict=True)), np.zeros(()))
        noise = up(total * 2.0**-48, len(radii) + 2)
        return Secant(local.maps, np.where(np.isnan(noise), np.inf, noise))


@dataclass(frozen=True, eq=False)
class Multiply(_Merge):
    """Product of all inputs."""

    def stores_once(self, rules: Arithmetic, operands: int) -> bool:
        return operands == 2

    def program(self, m: Machine, *xs: Any) -> Any:
        return reduce(m.mul, xs)

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        shapes, output = _shapes(xs)
        count = len(xs[0].centre)
        error, overflow = rounder.program((self.program,), xs)
        # 0 * inf is NaN: nothing is exactly zero where another factor may have overflowed.
        zero = np.logical_or.reduce([_spread(x.zero, count, output) for x in xs])
        zero = zero & np.logical_and.reduce([_spread(np.isfinite(x.radius), count, output) for x in xs])
        maps: list[LinearMap] = []
        for i, shape in enumerate(shapes):
            others = [x.centre for j, x in enumerate(xs) if j != i]
            maps.append(Diagonal(np.broadcast_to(reduce(np.multiply, others), (count, *output)), shape, output))
        strip = self._strip(xs)
        return Local(tuple(maps), np.where(zero, 0.0, error), zero, overflow & ~zero,
                     strip=np.where(zero, 0.0, np.where(np.isnan(strip), np.inf, strip)))  # fmt: skip

    @staticmethod
    def _strip(xs: Sequence[Tensor]) -> Array:
        """Terms of order two and more: x1 x2 ... = centre + first order + rest, the rest built up factor by factor.

        The slopes' own float64 rounding (products of n - 1 centres) is part of it.
        """
        size, first, rest = raise_tiny(np.abs(xs[0].centre)), xs[0].radius, np.zeros(())
        with np.errstate(invalid="ignore", over="ignore"):
            for x in xs[1:]:
                magnitude = raise_tiny(np.abs(x.centre))
                rest = rest * (magnitude + x.radius) + first * x.radius
                first = first * magnitude + size * x.radius
                size = size * magnitude
            total = rest + first * (len(xs) * 2.0**-52)
            for x in xs:  # slopes that underflow
                total = total + np.where(x.radius > 0, 2.0**-1000 * (1.0 + x.radius), 0.0)
        return up(total, 6 * len(xs))

    def secant(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Secant:
        """a1 a2 - b1 b2 = m2 (a1 - b1) + m1 (a2 - b2) with the means m of a and b, factor by factor.

        A mean is within R - |a - b| / 2 of the centre, which leaves R2 E1 + R1 E2 - E1 E2 at most as noise; the negative
        part is left out.  With more than two factors everything is noise.
        """
        shapes, output = _shapes(xs)
        with np.errstate(invalid="ignore", over="ignore"):
            if len(xs) == 2:
                noise = up(
                    raise_tiny(xs[0].radius) * raise_tiny(radii[1]) + raise_tiny(xs[1].radius) * raise_tiny(radii[0]), 2
                )
                return Secant(local.maps, np.where(np.isnan(noise), np.inf, noise))
            size = np.abs(xs[0].centre) + xs[0].radius
            total = radii[0]
            for x, radius in zip(xs[1:], radii[1:], strict=True):
                magnitude = np.abs(x.centre) + x.radius
                total = size * radius + magnitude * total
                size = size * magnitude
        noise = up(np.where(np.isnan(total), np.inf, total), 6 * len(xs))
        return Secant(tuple(Zero(shape, output) for shape in shapes), noise)


class _Extremum(_Merge):
    """Elementwise maximum or minimum: exact; which input wins may be undecided."""

    sign: ClassVar[float] = 1.0

    def local(self, rounder: Rounder, *xs: Tensor) -> Local:
        shapes, output = _shapes(xs)
        full = (len(xs[0].centre), *output)
        centres = np.stack([np.broadcast_to(self.sign * x.centre, full) for x in xs], axis=-1)
        radii = np.stack([np.broadcast_to(x.radius, full) for x in xs], axis=-1)
        zeros = np.stack([np.broadcast_to(x.zero, full) for x in xs], axis=-1)
        choice = choose(centres, radii, zeros)
        maps = tuple(Diagonal(choice.weights[..., i], shape, output) for i, shape in enumerate(shapes))
        grids = [np.broadcast_to(x.grid, full) for x in xs if x.grid is not None]
        grid = np.minimum.reduce(grids) if len(grids) == len(xs) else None
        error, overflow = read_error(rounder, choice.zero, grid), np.zeros(full, dtype=np.bool_)
        within = None
        if any(x.ends is not None for x in xs):
            low, high = (self.centre(*(x.range()[side] for x in xs)) for side in (0, 1))
            within = read_within(low, high, error)
        return Local(
            maps, error, choice.zero, overflow, self.sign * choice.shift, choice.strip, choice.cap, grid=grid, ends=within
        )

    def secant(self, xs: Sequence[Tensor], local: Local, radii: Sequence[Array]) -> Secant:
        shapes, output = _shapes(xs)
        full = (len(xs[0].centre), *output)
        parts = (self.sign * x.centre for x in xs), (x.radius for x in xs), radii
        weights, noise = secant_choice(*(np.stack([np.broadcast_to(p, full) for p in part], axis=-1) for part in parts))
        return Secant(tuple(Diagonal(weights[..., i], shape, output) for i, shape in enumerate(shapes)), noise)


@dataclass(frozen=True, eq=False)
class Maximum(_Extremum):
    """Largest of all inputs."""

    def program(self, m: Machine, *xs: Any) -> Any:
        return reduce(m.maximum, xs)


@dataclass(frozen=True, eq=False)
class Minimum(_Extremum):
    """Smallest of all inputs."""

    sign: ClassVar[float] = -1.0

    def program(self, m: Machine, *xs: Any) -> Any:
        return reduce(m.minimum, xs)
