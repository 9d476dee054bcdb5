"""2-norms of partial sums in a known order, against rationals."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from boundnet import ops
from boundnet.arithmetic import Arithmetic, Order, parse_order
from boundnet.arithmetic.formats import BINARY32
from boundnet.roundoff.mean_independent.partial_sums import known_order
from boundnet.roundoff.sums import Sum

ORDERS = ["sequential", "blocked(3)", "blocked(5)", "pairwise", "pairwise(4)"]


def squares(leaves: list[Fraction], order: Order) -> Fraction:
    """Sum of the squares of everything that is added, the first leaf of an accumulator among it, and of all products."""
    found = sum((leaf**2 for leaf in leaves), Fraction(0))

    def run(values: list[Fraction]) -> Fraction:
        nonlocal found
        total = Fraction(0)
        for value in values:
            total += value
            found += total**2
        return total

    size = len(leaves) if order.kind == "sequential" else order.size
    blocks = [run(leaves[i : i + size]) for i in range(0, len(leaves), size)]
    if order.kind == "blocked":
        total = blocks[0]
        for block in blocks[1:]:
            total += block
            found += total**2

    def halves(values: list[Fraction]) -> Fraction:
        nonlocal found
        if len(values) == 1:
            return values[0]
        middle = -(-len(values) // 2)
        joined = halves(values[:middle]) + halves(values[middle:])
        found += joined**2
        return joined

    if order.kind == "pairwise":
        halves(blocks)
    return found


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_norm_of_partial_sums(order: str, n: int) -> None:
    rng = np.random.default_rng(n)
    x, w = rng.normal(size=(2, n)), rng.normal(size=(n, 3)) * 2.0 ** rng.integers(-8, 8, size=(n, 3))
    x[0, 0] = 0.0
    rules = Arithmetic("a", BINARY32, BINARY32, parse_order(order))
    linear = ops.Dense(w).linear((n,))
    blank = np.zeros(x.shape)
    u = Fraction(BINARY32.unit_roundoff)
    for apart in (0.0, 0.25):
        found = known_order(Sum(linear, x, blank, x != 1.0, None), rules, np.full((2, 3), apart))
        for i in range(2):
            for j in range(3):
                leaves = [Fraction(float(p)) * Fraction(float(q)) for p, q in zip(x[i], w[:, j], strict=True)]
                exact = squares(leaves, rules.order)
                assert Fraction(float(found[i, j])) ** 2 >= u**2 * exact
                if apart == 0.0:
                    assert found[i, j] <= float(u) * math.sqrt(exact) * (1 + 1e-9) + 1e-100


def test_convolution_and_groups() -> None:
    """Padding counts as leaves that add nothing; every group reads its own channels."""
    rng = np.random.default_rng(0)
    op = ops.Conv(rng.normal(size=(3, 1, 4)), groups=2, padding=((1, 1),))
    x = rng.normal(size=(1, 5, 2))
    found = known_order(
        Sum(op.linear((5, 2)), x, np.zeros(x.shape), x != 0.0, None), Arithmetic("a", order=parse_order("sequential")),
        np.zeros((1, 5, 4)),
    )  # fmt: skip
    padded = np.concatenate([np.zeros((1, 2)), x[0], np.zeros((1, 2))])
    for i in range(5):
        for c in range(4):
            leaves = [Fraction(float(padded[i + k, c // 2])) * Fraction(float(op.kernel[k, 0, c])) for k in range(3)]
            inside = [leaf for k, leaf in enumerate(leaves) if 1 <= i + k <= 5]
            assert math.isclose(found[0, i, c], 2.0**-24 * math.sqrt(squares(inside, Order("sequential"))), rel_tol=1e-9)
