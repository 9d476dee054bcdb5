"""The theorem on sums whose leaves share a grid, against all trees and roundings in exact integers."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.every_tree import Accumulator, greedy, reachable
from helpers.mutation import mutate

from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY16, BINARY32, E4M3FN, Format, fixed_format, float_format
from boundnet.arithmetic.model import Subnormals
from boundnet.kernels import potential
from boundnet.maps import DenseMap
from boundnet.numerics.outward import Array
from boundnet.roundoff import exact_sums, grids
from boundnet.roundoff.exact_sums import exact_sum
from boundnet.roundoff.grids import ANY_GRID, grid_between, trailing
from boundnet.roundoff.sums import Sum

WEIGHTS = np.array([1.0, 9.0, 16.0, 5.0])


def family(x: Array, weights: Array = WEIGHTS, bias: float = 0.0) -> Sum:
    """One sum for each row of ``x``, a point each."""
    given = np.array([bias]) if bias else None
    return Sum(DenseMap(weights[:, None]), x, np.zeros(x.shape), x != 0.0, given, grid=trailing(x))


def bounds(terms: Sum, fmt: Format, subnormals: Subnormals = "gradual") -> Array:
    total = terms.map.absolute(np.abs(terms.centre)) + (0.0 if terms.bias is None else np.abs(terms.bias))
    found = exact_sum(terms, Arithmetic("acc", fmt, fmt, subnormals=subnormals), total)
    assert found is not None
    return found.error[:, 0]


def integers(rng: np.random.Generator, count: int, bits: int, leaves: int = 4) -> Array:
    """Integers of up to ``bits`` bits with any number of trailing zeros, a few of them 0."""
    size = rng.integers(0, 1 << rng.integers(1, bits + 1, (count, leaves)))
    zeros = rng.integers(0, bits, (count, leaves))
    return np.where(rng.random((count, leaves)) < 0.1, 0, size >> zeros << zeros) * rng.choice([-1.0, 1.0], (count, leaves))


def violations(
    rng: np.random.Generator, precision: int, count: int, subnormals: Subnormals = "gradual"
) -> tuple[int, float]:
    """How many of ``count`` families leave their bound, and the largest share of it that is reached."""
    emin = int(rng.integers(-2, 4)) + precision
    fmt = Format("acc", precision, emin, 60)
    eta = int(fmt.smallest_subnormal)
    flushes = subnormals != "gradual"
    acc = Accumulator(precision, max(eta, 1), int(fmt.smallest_normal), flushes)
    bias = float(rng.integers(0, 40))
    x = integers(rng, count, precision + 2, 3)
    terms = family(x, WEIGHTS[:3], bias)
    outside, share = 0, 0.0
    for row, bound in zip(x, bounds(terms, fmt, subnormals), strict=True):
        leaves = [int(v) for v in (*(row * WEIGHTS[:3]), bias)]
        read = [0 if flushes and abs(v) < acc.lam and v % 2 else t for v, t in zip((*row, bias), leaves, strict=True)]
        exact = sum(leaves)
        for variant in {tuple(leaves), tuple(read)}:
            reached = max(abs(v - exact) for v in reachable([t for t in variant if t], acc))
            outside += reached > bound
            share = max(share, reached / bound if bound > 0.0 else 0.0)
    return outside, share


@pytest.mark.parametrize("precision", [3, 4, 5, 6])
@pytest.mark.parametrize("subnormals", ["gradual", "either"])
def test_no_tree_and_no_rounding_leaves_the_bound(precision: int, subnormals: Subnormals) -> None:
    rng = np.random.default_rng(precision)
    found = [violations(rng, precision, 12, subnormals) for _ in range(12)]
    assert sum(outside for outside, _ in found) == 0
    if subnormals == "gradual":
        assert max(share for _, share in found) > 1.0 - 2.0**-40


@pytest.mark.slow
@pytest.mark.parametrize("precision", [3, 4, 5, 6])
def test_no_tree_and_no_rounding_leaves_the_bound_at_length(precision: int) -> None:
    rng = np.random.default_rng(100 + precision)
    for subnormals in ("gradual", "ftz+daz"):
        assert sum(violations(rng, precision, 50, subnormals)[0] for _ in range(60)) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fmt", "leaves", "error"),
    [(BINARY32, [16711664.0] + [1.5] * 32776 + [3.0], 16389.0), (BINARY16, [2028.0] + [1.5] * 10 + [3.0], 6.0)],
)
def test_errors_that_lead_into_the_next_binade(fmt: Format, leaves: list[float], error: float) -> None:
    """A grid chosen from S and a fixed allowance for errors is too fine here: it would promise one unit less."""
    units = [int(2 * t) for t in leaves]
    acc = Accumulator(fmt.precision)
    reached = abs(greedy(units, acc, range(len(units)), up=True) - sum(units)) / 2
    assert reached == error
    x = np.array([leaves])
    (bound,) = bounds(family(x, np.ones(len(leaves))), fmt)
    assert sum(leaves) < 2.0**fmt.precision
    assert error > 0.5 * leaves.count(1.5)  # Phi(1) with q = 1, chosen from S alone
    assert error <= bound < 4.0 * error


def test_thousands_of_leaves_added_up_and_down() -> None:
    rng = np.random.default_rng(4)
    for fmt in (BINARY16, BFLOAT16, float_format(6, 8)):
        for _ in range(20):
            count = int(rng.integers(2, 3000))
            x = np.round(rng.uniform(1, 2.0 ** rng.integers(2, 12), (1, count)))
            (bound,) = bounds(family(x, np.ones(count)), fmt)
            units, acc = [int(t) for t in x[0]], Accumulator(fmt.precision)
            for up in (True, False):
                for order in (range(count), np.argsort(x[0]), np.argsort(-x[0])):
                    assert abs(greedy(units, acc, [int(i) for i in order], up) - sum(units)) <= bound


def test_products_of_narrow_numbers_add_up_exactly() -> None:
    rng = np.random.default_rng(5)
    x, w = E4M3FN.round(rng.normal(size=(50, 40))), E4M3FN.round(rng.normal(size=40))
    assert np.all(bounds(family(x, w), BINARY32) == 0.0)
    assert np.any(bounds(family(x, w), BINARY16) > 0.0)
    wide = rng.normal(size=(50, 40))
    assert np.all(bounds(family(wide, w), BINARY32) > 0.0)


def test_fixed_point_products_that_the_accumulator_holds() -> None:
    rng = np.random.default_rng(6)
    fine, coarse = fixed_format(8, 8), fixed_format(4, 4)
    x, w = coarse.round(rng.uniform(-4, 4, (20, 8))), coarse.round(rng.uniform(-1, 1, 8))
    assert np.all(bounds(family(x, w), fine) == 0.0)
    assert np.all(np.isinf(bounds(family(16.0 * x, w), fixed_format(2, 8))))  # beyond its largest number


def test_nothing_is_said_of_sums_that_may_overflow_or_are_not_known() -> None:
    x = np.array([[448.0, 448.0, 448.0, 448.0], [np.inf, 1.0, 1.0, 1.0], [np.nan, 1.0, 1.0, 1.0]])
    assert np.all(np.isinf(bounds(family(x, np.ones(4)), E4M3FN)))
    plain = Sum(DenseMap(np.ones((4, 1))), x, np.zeros(x.shape), x != 0.0, None)
    assert exact_sum(plain, Arithmetic("acc"), np.ones((3, 1))) is None


@pytest.mark.parametrize("fmt", [float_format(3, 3), E4M3FN, fixed_format(3, 2)])
def test_grids_divide_every_number_between(fmt: Format) -> None:
    steps = fmt.smallest_subnormal * np.arange(-400, 401)
    numbers = np.unique(fmt.round(steps[np.abs(steps) <= fmt.largest]))
    low, high = (part.ravel() for part in np.meshgrid(numbers, numbers, indexing="ij"))
    low, high = low[low <= high], high[low <= high]
    found = grid_between(fmt, low, high)
    for a, b, g in zip(low, high, found, strict=True):
        between = numbers[(numbers >= a) & (numbers <= b)]
        assert np.all(between / 2.0 ** min(int(g), 1000) % 1.0 == 0.0)
    assert grid_between(fmt, np.zeros(1), np.zeros(1))[0] == ANY_GRID
    assert trailing(np.array([12.0, -0.375, 2.0**-1074, np.inf])).tolist() == [2, -3, -1074, -1100]


MUTANTS = {
    "a grid from S alone": (exact_sums._holds, "total + phi + flushed", "total + 0.0 * (phi + flushed)"),
    "a grid finer than eta": (exact_sum, "- precision, eta)", "- precision, eta - 3)"),
    "half the room": (exact_sums._holds, "q + fmt.precision", "q + fmt.precision + 1"),
    "no flushing": (exact_sums._flushed, "(2.0 * terms.leaves + 3.0) * lam", "0.0 * terms.leaves"),
    "no flushed operands": (exact_sums._flushed, "up(results + read, 2)", "results"),
    "a bias that is no leaf": (exact_sums._potential, "1.0 - 2.0 ** -behind.astype(np.float64)", "0.0"),
    "the potential of leaves": (potential.potentials, "1.0 - 2.0**-d if d < DEEPEST else 1.0", "0.5 - 2.0**-d"),
    "weights without a grid": (exact_sums._table, "trailing(table.weight)", "0 * trailing(table.weight) + np.int16(3)"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_every_condition_is_necessary(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, old, new = MUTANTS[name]
    mutate(monkeypatch, function, old, new)
    exact_sums._weights.clear()
    try:
        rng = np.random.default_rng(9)
        assert any(
            violations(rng, precision, 20, "ftz+daz" if "flush" in name else "gradual")[0]
            for precision in (3, 4, 5)
            for _ in range(20)
        )
    finally:
        exact_sums._weights.clear()


def test_neighbours_only_have_trailing_zeros_of_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch, grids.grid_between, "high - low <= apart", "high - low <= 2.0 * apart")
    with pytest.raises(AssertionError):
        test_grids_divide_every_number_between(E4M3FN)
