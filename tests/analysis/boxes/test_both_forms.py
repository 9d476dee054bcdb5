"""Random networks, boxes and arithmetics: exact and computed values stay in both forms, no tolerance."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.cases import ACTIVATIONS, CASES, Draw, arithmetics, network
from hypothesis import given, settings
from hypothesis import strategies as st

from boundnet import ops
from boundnet.analysis.boxes.sides import flatten
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import BFLOAT16, BINARY32
from boundnet.functions import Function
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from boundnet.testing import check_boxes


def boxes_of(graph: LayerGraph, d: Draw, count: int) -> tuple[Array, Array]:
    """``count`` boxes that suit the arithmetic: wide, narrow, degenerate in some elements."""
    middle = flatten([d.stored(count, *graph.shape(name)) for name in graph.inputs])
    width = d.radius(middle) * d.rng.choice([1.0, 2.0**-10, 0.0], size=(count, 1), p=[0.6, 0.3, 0.1])
    largest = d.arithmetic.storage.largest
    return np.maximum(middle - width, np.minimum(middle, -largest)), np.minimum(middle + width, np.maximum(middle, largest))


@settings(max_examples=60, deadline=None)
@given(arithmetics(), st.integers(0, 2**31), st.booleans())
def test_networks(arithmetic: Arithmetic, seed: int, stored: bool) -> None:
    d = Draw(arithmetic, seed)
    graph, _ = network(d)
    low, high = boxes_of(graph, d, 3)
    check_boxes(graph, low, high, arithmetic, stored=stored, trials=8, seed=seed)


@pytest.mark.parametrize("storage", [BINARY32, BFLOAT16], ids=str)
@pytest.mark.parametrize("seed", range(12))
def test_ordinary_networks(seed: int, storage: object) -> None:
    """Where bounds are finite and boxes not too wide, so that every rule is met and not only infinity."""
    rng = np.random.default_rng(seed)
    arithmetic = Arithmetic("t", storage if storage is BFLOAT16 else BINARY32, subnormals="gradual")
    d = Draw(arithmetic, seed)
    d.rng = rng
    graph, _ = network(_Gentle(d))
    middle = flatten([rng.uniform(-1, 1, (4, *graph.shape(name))) for name in graph.inputs])
    width = np.array([[0.0], [2.0**-12], [0.01], [0.3]])
    forms = check_boxes(graph, middle - width, middle + width, arithmetic, trials=12, seed=seed)
    for name in graph.outputs:
        assert np.all(np.isfinite(forms.error(name)))


class _Gentle(Draw):
    """Weights of ordinary size."""

    def __init__(self, d: Draw) -> None:
        self.arithmetic, self.rng = d.arithmetic, d.rng

    def stored(self, *shape: int) -> Array:
        return self.arithmetic.storage.round(self.rng.normal(size=shape) * 0.5)


@pytest.mark.parametrize("family", CASES)
def test_every_family(family: str) -> None:
    """Each kind of op between dense layers, so that differences arrive correlated and leave again."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        arithmetic = Arithmetic("t", BFLOAT16 if seed % 2 else BINARY32, fma="either", subnormals="gradual")
        d = _Gentle(Draw(arithmetic, seed))
        op, shapes = CASES[family](d)
        graph = LayerGraph("one")
        x = graph.add("x", ops.Input((3,)))
        operands = []
        for i, shape in enumerate(shapes):
            size = int(np.prod(shape))
            node = graph.add(
                f"d{i}", ops.Dense(d.stored(3, size), d.stored(size) + (3.0 if family == "divide" else 0.0)), [x]
            )
            operands.append(graph.add(f"s{i}", ops.Reshape(shape), [node]))
        node = graph.add("op", op, operands)
        size = int(np.prod(graph.shape(node)))
        graph.set_outputs([graph.add("y", ops.Dense(d.stored(size, 2)), [graph.add("f", ops.Reshape((size,)), [node])])])
        middle = rng.uniform(-0.5, 0.5, (4, 3))
        width = np.array([[0.0], [2.0**-12], [0.01], [0.1]])
        forms = check_boxes(graph, middle - width, middle + width, arithmetic, trials=8, seed=seed)
        assert np.isfinite(forms.error("y")[:2]).any(), family


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_every_activation(function: Function) -> None:
    arithmetic = Arithmetic("t", BINARY32, subnormals="gradual")
    d = _Gentle(Draw(arithmetic, 0))
    graph = LayerGraph("one")
    lift = 2.5 if function.positive or function.name == "log1p" else 0.0
    node = graph.add(
        "d", ops.Dense(d.stored(2, 6), d.stored(6) * (0.0 if lift else 1.0) + lift), [graph.add("x", ops.Input((2,)))]
    )
    graph.set_outputs([graph.add("y", ops.Dense(d.stored(6, 2)), [graph.add("a", ops.Activation(function), [node])])])
    middle = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 2))
    width = np.array([[0.0], [2.0**-12], [0.01], [0.5]])
    check_boxes(graph, middle - width, middle + width, arithmetic, trials=8)
