"""The reference engines agree with each other, with rationals, and with binary64."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from helpers.cases import ACTIVATIONS

from boundnet import ops
from boundnet.errors import BoundNetError, InputError
from boundnet.functions import Function, make
from boundnet.graph import LayerGraph
from boundnet.reference import reference
from boundnet.reference.evaluate import evaluate, make_machine
from boundnet.reference.exact import ExactMachine

ENGINES = ["arb", "mpmath", "pyinterval"]


def network(*activations: str) -> LayerGraph:
    """A small network with most kinds of ops."""
    rng, graph = np.random.default_rng(4), LayerGraph("small")
    node = graph.add("x", ops.Input((5, 5, 2)))
    layers: list[ops.Op] = [
        ops.Conv(rng.normal(size=(3, 3, 2, 4)), rng.normal(size=4), padding=((1, 0), (0, 1))),
        ops.BatchNorm(rng.normal(size=4), np.abs(rng.normal(size=4)) + 0.1, rng.normal(size=4), rng.normal(size=4)),
        *(ops.Activation(make(name)) for name in activations),
        ops.MaxPool((2, 2)),
        ops.Conv(rng.normal(size=(1, 2, 1, 4)), None, groups=4),
        ops.ConvTranspose(rng.normal(size=(2, 2, 3, 4)), rng.normal(size=3), strides=(2, 2)),
        ops.AveragePool((2, 2), (1, 1)),
        ops.Pad(((0, 0), (1, 0), (0, 0))),
        ops.Reshape((18,)),
        ops.Dense(rng.normal(size=(18, 4)), rng.normal(size=4)),
    ]
    for i, op in enumerate(layers):
        node = graph.add(f"n{i}", op, [node])
    graph.set_outputs([node, graph.add("softmax", ops.Softmax(0), [node]), graph.add("log", ops.LogSoftmax(0), [node])])
    return graph


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_enclose_the_same_values(engine: str) -> None:
    graph = LayerGraph("dense")
    rng = np.random.default_rng(1)
    graph.add("x", ops.Input((6,)))
    graph.add("d", ops.Dense(rng.normal(size=(6, 5)), rng.normal(size=5)), ["x"])
    graph.add("t", ops.Activation(make("tanh")), ["d"])
    graph.add("s", ops.Softmax(0), ["t"])
    graph.set_outputs(["s"])
    x = [rng.normal(size=(3, 6))]
    lo, hi = reference(graph, x, engine)["s"]
    best_lo, best_hi = reference(graph, x, "arb", digits=60)["s"]
    assert lo.shape == (3, 5)
    assert np.all((lo <= best_hi) & (best_lo <= hi))
    assert np.all(hi - lo <= (2.0**-52 if engine != "pyinterval" else 2.0**-46))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_network_with_most_ops(engine: str) -> None:
    graph = network("tanh", "gelu", "silu", "elu")
    x = [np.random.default_rng(2).normal(size=(1, 5, 5, 2))]
    centres, seen = graph.evaluate(x), []
    enclosures = reference(graph, x, engine, nodes=graph.topological()[1:], tick=seen.append)
    assert seen
    for node, (lo, hi) in enclosures.items():
        scale = np.abs(centres[node]).max()
        assert np.all(lo <= hi)
        assert np.all(np.abs(centres[node] - lo) <= 1e-12 * scale), node
        assert np.all(hi - lo <= 1e-11 * scale), node


@pytest.mark.parametrize("function", ACTIVATIONS, ids=str)
def test_functions_agree_across_engines(function: Function) -> None:
    x = np.array([-30.0, -3.0, -1.0, -0.4, -1e-9, 0.0, 1e-9, 0.4, 1.0, 2.5, 3.0, 30.0])
    x = np.abs(x) if function.positive else x
    bounds = []
    for engine in ENGINES:
        machine = make_machine(engine, 120)
        values = function.programs[0](machine, machine.parameter(x))
        bounds.append([ends.astype(float) for ends in np.frompyfunc(machine.enclosure, 1, 2)(values)])
    lo, hi = np.max([b[0] for b in bounds], axis=0), np.min([b[1] for b in bounds], axis=0)
    assert np.all(lo <= hi), str(function)


def test_rationals_are_exact() -> None:
    graph = LayerGraph("linear")
    graph.add("x", ops.Input((3,)))
    graph.add("d", ops.Dense(np.array([[0.1], [0.2], [0.3]]), np.array([0.5])), ["x"])
    graph.add("r", ops.Activation(make("relu")), ["d"])
    graph.set_outputs(["r"])
    x = np.array([[1.0, -2.0, 3.0]])
    exact = evaluate(graph, [x], ExactMachine())["r"][0, 0]
    lo, hi = reference(graph, [x])["r"]
    assert lo[0, 0] <= exact <= hi[0, 0]
    with pytest.raises(BoundNetError, match="rational"):
        ExactMachine().function("exp", ExactMachine().parameter(x))


def test_precision_is_raised_until_the_digits_are_certified() -> None:
    graph = LayerGraph("cancelling")
    graph.add("x", ops.Input((1,)))
    graph.add("e", ops.Activation(make("exponential")), ["x"])
    graph.add("d", ops.Dense(np.array([[1.0]]), np.array([-np.exp(0.5)])), ["e"])
    graph.set_outputs(["d"])
    precisions: list[str] = []
    lo, hi = reference(graph, [np.array([[0.5]])], digits=200, tick=precisions.append)["d"]
    assert np.nextafter(lo, np.inf) >= hi
    assert len(precisions) >= 3


def test_errors_name_what_is_wrong() -> None:
    graph = LayerGraph("one")
    graph.add("x", ops.Input((1,)))
    graph.add("t", ops.Activation(make("tanh")), ["x"])
    graph.set_outputs(["t"])
    with pytest.raises(BoundNetError, match="unknown reference engine 'maple'"):
        reference(graph, [np.zeros((1, 1))], "maple")
    with pytest.raises(InputError, match="1 inputs, 2 arrays"):
        reference(graph, [np.zeros((1, 1)), np.zeros((1, 1))])


def test_pyinterval_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    import boundnet.reference.pyinterval as module

    monkeypatch.setattr(module, "interval", None)
    with pytest.raises(BoundNetError, match=r"pip install boundnet\[pyinterval\]"):
        make_machine("pyinterval", 53)
    assert "interval" in sys.modules
