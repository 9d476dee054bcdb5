"""Brute force: each op in its real order in exact rationals, every rounding chosen by an adversary.

Nothing here is shared with the library but the formats' grids: indices, orders and roundings are written out again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from helpers.rationals import grid

from boundnet import ops
from boundnet.arithmetic import Arithmetic, Order, parse_order
from boundnet.arithmetic.formats import E4M3FN, Format, float_format
from boundnet.numerics.outward import Array
from boundnet.ops.base import Op, Tensor
from boundnet.roundoff.rounder import Rounder

SMALL = float_format(4, 6)
RULES = Arithmetic("small", SMALL, SMALL, fma="no", subnormals="gradual", bias="last")
ORDERS = ["sequential", "blocked(2)", "blocked(3)", "pairwise", "pairwise(2)"]
Choose = Callable[[Fraction, Fraction, Fraction], Fraction]
"""(exact, neighbour below, neighbour above) -> the one taken."""


def nearest(exact: Fraction, below: Fraction, above: Fraction) -> Fraction:
    return below if exact - below <= above - exact else above  # ties may go either way; these go down


def upwards(exact: Fraction, below: Fraction, above: Fraction) -> Fraction:
    return above


def away(exact: Fraction, below: Fraction, above: Fraction) -> Fraction:
    return above if exact > 0 else below


def seeded(seed: int) -> Choose:
    rng = np.random.default_rng(seed)
    return lambda exact, below, above: below if rng.random() < 0.5 else above


CHOICES: dict[str, Choose] = {"nearest": nearest, "upwards": upwards, "away": away, "random": seeded(1)}


def round_(value: Fraction, fmt: Format, choose: Choose) -> Fraction:
    """To a neighbour; a representable number stays."""
    if value == 0:
        return value
    step = grid(value, fmt)
    below = (value // step) * step
    return value if below == value else choose(value, below, below + step)


def added(leaves: Sequence[Fraction], order: Order, fmt: Format, choose: Choose) -> Fraction:
    """The sum in its order: leaves are rounded already, the first one of an accumulator is copied."""

    def run(values: Sequence[Fraction]) -> Fraction:
        total = values[0]
        for value in values[1:]:
            total = round_(total + value, fmt, choose)
        return total

    size = order.size
    if order.kind == "sequential" or len(leaves) <= size:
        return run(leaves)
    blocks = [run(leaves[i : i + size]) for i in range(0, len(leaves), size)]
    if order.kind == "blocked":
        return run(blocks)

    def halves(values: Sequence[Fraction]) -> Fraction:
        if len(values) == 1:
            return values[0]
        middle = -(-len(values) // 2)
        return round_(halves(values[:middle]) + halves(values[middle:]), fmt, choose)

    return halves(blocks)


def fractions(values: Array) -> list[Fraction]:
    return [Fraction(float(v)) for v in values.ravel()]


Case = tuple[Op, Array, Callable[[Order, Choose], Iterator[tuple[Fraction, Fraction]]]]
"""An op, its input, and (computed, exact) of every output element."""


def dense(rng: np.random.Generator) -> Case:
    x, w, b = (SMALL.round(rng.normal(size=shape)) for shape in ((9,), (9, 3), (3,)))

    def run(order: Order, choose: Choose) -> Iterator[tuple[Fraction, Fraction]]:
        for j in range(3):
            products = [Fraction(p) * Fraction(q) for p, q in zip(x.tolist(), w[:, j].tolist(), strict=True)]
            total = added([round_(p, SMALL, choose) for p in products], order, SMALL, choose)
            yield round_(total + Fraction(float(b[j])), SMALL, choose), sum(products) + Fraction(float(b[j]))

    return ops.Dense(w, b), x, run


def conv(rng: np.random.Generator) -> Case:
    x, w = (SMALL.round(rng.normal(size=shape)) for shape in ((4, 3, 2), (2, 3, 2, 2)))

    def run(order: Order, choose: Choose) -> Iterator[tuple[Fraction, Fraction]]:
        for i, j, c in itertools.product(range(3), range(3), range(2)):
            products = []
            for a, b, k in itertools.product(range(2), range(3), range(2)):  # padded by one column on either side
                inside = 0 <= j + b - 1 < 3
                left = Fraction(float(x[i + a, j + b - 1, k])) if inside else Fraction(0)
                products.append(left * Fraction(float(w[a, b, k, c])))
            yield added([round_(p, SMALL, choose) for p in products], order, SMALL, choose), sum(products)

    return ops.Conv(w, padding=((0, 0), (1, 1))), x, run


def pooled(size: tuple[int, int], strides: tuple[int, int], shape: tuple[int, int], padding: int) -> Callable[..., Case]:
    def case(rng: np.random.Generator) -> Case:
        x = SMALL.round(rng.normal(size=(*shape, 1)) + 1.0)

        def run(order: Order, choose: Choose) -> Iterator[tuple[Fraction, Fraction]]:
            rows, columns = ((n + 2 * padding - k) // s + 1 for n, k, s in zip(shape, size, strides, strict=True))
            for i, j in itertools.product(range(rows), range(columns)):
                cells = []
                for a, b in itertools.product(range(size[0]), range(size[1])):
                    p, q = i * strides[0] + a - padding, j * strides[1] + b - padding
                    inside = 0 <= p < shape[0] and 0 <= q < shape[1]
                    cells.append(Fraction(float(x[p, q, 0])) if inside else None)
                count = sum(cell is not None for cell in cells)
                total = added([cell or Fraction(0) for cell in cells], order, SMALL, choose)
                exact = sum(cell for cell in cells if cell is not None) / Fraction(count)
                yield round_(total / count, SMALL, choose), exact

        return ops.AveragePool(size, strides, ((padding, padding),) * 2), x, run

    return case


def norm(rng: np.random.Generator) -> Case:
    """Variances whose roots are rational: gamma (x - mean) / 2 + beta, the divided form."""
    x, mean, gamma, beta = (SMALL.round(rng.normal(size=shape)) for shape in ((5, 3), (3,), (3,), (3,)))

    def run(order: Order, choose: Choose) -> Iterator[tuple[Fraction, Fraction]]:
        for i, c in itertools.product(range(5), range(3)):
            v, m, g, b = (Fraction(float(t)) for t in (x[i, c], mean[c], gamma[c], beta[c]))
            y = round_(round_(v - m, SMALL, choose) / 2, SMALL, choose)
            yield round_(round_(y * g, SMALL, choose) + b, SMALL, choose), (v - m) / 2 * g + b

    return ops.BatchNorm(mean, np.full(3, 3.5), gamma, beta, epsilon=0.5), x, run


KINDS: dict[str, Callable[[np.random.Generator], Case]] = {
    "dense": dense,
    "conv": conv,
    "average pool": pooled((2, 3), (1, 2), (4, 5), 0),
    "padded average pool": pooled((3, 3), (2, 2), (5, 5), 1),
    "global mean": pooled((4, 5), (1, 1), (4, 5), 0),
    "batch norm": norm,
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_of_roundings_stays_inside(kind: str, order: str) -> None:
    ratio = Fraction(0)
    for seed in range(5):
        op, x, run = KINDS[kind](np.random.default_rng(seed))
        for name, choose in CHOICES.items():
            rules = replace(RULES, order=parse_order(order), rounding="nearest" if name == "nearest" else "any")
            none = np.zeros((1, *x.shape))
            tensor = Tensor(x[None], none, none > 0.0)
            bound = op.local(Rounder(rules), tensor).rounding
            for (computed, exact), claimed in zip(run(rules.order, choose), bound.ravel().tolist(), strict=True):
                assert abs(computed - exact) <= Fraction(claimed)
                ratio = max(ratio, abs(computed - exact) / Fraction(claimed)) if claimed else ratio
    assert ratio > Fraction(1, 8)  # the bound is near what an adversary reaches


def test_grids_are_those_of_the_format() -> None:
    for value in (0.3, -7.7, 2.0**-9, 300.0):
        for fmt in (SMALL, E4M3FN):
            near = round_(Fraction(value), fmt, nearest)
            assert abs(Fraction(float(fmt.round(np.array(value)))) - Fraction(value)) == abs(near - Fraction(value))
