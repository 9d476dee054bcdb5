"""The mask of exact zeros: kept where it is true, given up where an overflow could make 0 * inf = NaN."""

from __future__ import annotations

import numpy as np
import pytest

from boundnet import ops
from boundnet.arithmetic import Arithmetic, parse_order
from boundnet.arithmetic.formats import BFLOAT16, E4M3FN
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.ops.base import Op, Tensor
from boundnet.roundoff.rounder import Rounder
from boundnet.testing import check_bound, check_graph

RULES = Arithmetic("t", BFLOAT16, BFLOAT16)


def tensor(values: list[float], radius: list[float]) -> Tensor:
    x, r = np.array([values]), np.array([radius])
    return Tensor(x, r, (x == 0) & (r == 0))


def test_zero_inputs_stay_exactly_zero_through_layers() -> None:
    graph = LayerGraph("zeros")
    node = graph.add("x", ops.Input((3,)))
    for i, op in enumerate([ops.Dense(np.ones((3, 4))), ops.Activation(make("relu")), ops.Dense(-np.ones((4, 3)))]):
        node = graph.add(f"n{i}", op, [node])
    node = graph.add("product", ops.Multiply(), [node, "x"])
    graph.set_outputs([graph.add("sum", ops.Add(), [node, "x"])])
    bounds = check_graph(graph, [np.zeros((1, 3))], RULES)
    assert all(np.all(bound == 0.0) for bound in bounds.values())


@pytest.mark.parametrize(
    "op", [ops.Dense(np.zeros((2, 3))), ops.Dense(np.array([[0.0], [1.0]]))], ids=["zero kernel", "one zero weight"]
)
def test_zero_weights_do_not_shield_from_infinity(op: Op) -> None:
    local = op.local(Rounder(RULES), tensor([1.0, 0.0], [np.inf, 0.0]))
    assert not local.zero.any()


def test_zero_factor_does_not_shield_from_infinity() -> None:
    xs = tensor([0.0, 0.0], [0.0, 0.0]), tensor([1.0, 2.0], [np.inf, 0.5])
    assert ops.Multiply().local(Rounder(RULES), *xs).zero.tolist() == [[False, True]]
    local = ops.Contract((0, 0)).local(Rounder(RULES), *xs)
    assert not local.zero.any()


def test_weight_that_overflows_in_its_cast() -> None:
    rules = Arithmetic("t", E4M3FN, BFLOAT16)
    local = ops.Dense(np.array([[500.0]])).local(Rounder(rules), tensor([0.0], [0.0]))
    assert not local.zero.any()
    assert not np.isfinite(np.where(local.overflow, np.inf, local.rounding)).any()


@pytest.mark.parametrize("name", ["relu", "hard_sigmoid", "hard_shrink", "threshold", "sparse_sigmoid", "relu6"])
def test_pieces_that_are_zero(name: str) -> None:
    """Inactive pieces are exact zeros, unless a rounded literal lets a run leave the piece."""
    x = np.array([[-40.0, -3.0, -2.5, -1.0, -0.5, 0.0, 0.5]])
    for storage in (E4M3FN, BFLOAT16):
        local = check_bound(ops.Activation(make(name)), [x], Arithmetic("t", storage, storage, rounding="any"), trials=40)
        if name != "hard_shrink":
            assert local.zero[0, 0]


def test_relu_with_threshold_is_not_zero_at_the_threshold() -> None:
    op = ops.Activation(make("relu", threshold=1.0))
    local = check_bound(op, [np.array([[1.0, 0.5, 2.0]])], RULES)
    assert local.zero.tolist() == [[False, True, False]]


def test_concat_pad_and_pool_keep_the_mask() -> None:
    x = tensor([0.0, 1.0], [0.0, 0.1])
    assert ops.Pad(((1, 0),)).local(Rounder(RULES), x).zero.tolist() == [[True, True, False]]
    assert ops.Concat(0).local(Rounder(RULES), x, x).zero.tolist() == [[True, False, True, False]]
    grid = Tensor(np.zeros((1, 2, 1)), np.zeros((1, 2, 1)), np.ones((1, 2, 1), dtype=np.bool_))
    assert ops.MaxPool((2,)).local(Rounder(RULES), grid).zero.all()
    assert ops.AveragePool((2,)).local(Rounder(RULES), grid).zero.all()


@pytest.mark.parametrize("order", ["any", "sequential"])
def test_products_with_powers_of_two_are_exact(order: str) -> None:
    """One-hot rows: m weights of the rows that are hit, m - 1 additions, no product, whatever the other rows hold."""
    rng = np.random.default_rng(2)
    kernel, hits = BFLOAT16.round(rng.normal(size=(60, 5))), np.arange(60) % 20 == 3
    rules = Arithmetic("t", BFLOAT16, BFLOAT16, parse_order(order), fma="no", subnormals="gradual", bias="last")
    for scale in (1.0, -4.0):
        x = np.where(hits, scale, 0.0)[None]
        bound = check_bound(ops.Dense(kernel), [x], rules).rounding
        weights = np.abs(kernel[hits]).sum(axis=0) * abs(scale)
        assert np.all(bound <= 2.0 * BFLOAT16.unit_roundoff * weights * (1.0 + 2.0**-40))
    single = check_bound(ops.Dense(kernel), [np.where(np.arange(60) == 3, 2.0, 0.0)[None]], rules).rounding
    assert np.all(single < 2.0**-40)  # the analyzer's own
