"""Small networks with every op that stores, and how many numbers of their executions leave the bounds."""

from __future__ import annotations

import numpy as np

import boundnet
from boundnet import ops
from boundnet.analysis.heads import bound_rows
from boundnet.analysis.runs import Runner, Runs
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.numerics.outward import Array
from helpers.narrow_runs import STORES, Machine, execute


def network(rng: np.random.Generator, coarse: bool, scale: float) -> LayerGraph:
    """Two convolutions, a normalisation, a branch that comes back, both kinds of pooling, two dense layers.

    ``coarse``: weights of few bits, so that ties are frequent.
    """

    def weights(*shape: int) -> Array:
        found = rng.normal(size=shape) * (2.0 / np.sqrt(np.prod(shape[:-1])))
        return np.round(found * 16.0) / 16.0 if coarse else found

    relu = make("relu")
    graph = LayerGraph("narrow")
    graph.add("x", ops.Input((6, 6, 2)))
    graph.add("first", ops.Conv(scale * weights(3, 3, 2, 4), scale * weights(4), padding=((1, 1), (1, 1))), ["x"])
    graph.add("on", ops.Activation(relu), ["first"])
    graph.add("pooled", ops.MaxPool((2, 2)), ["on"])
    norm = ops.BatchNorm(weights(4), 0.5 + rng.random(4), 1.0 + weights(4), weights(4))
    graph.add("norm", norm, ["pooled"])
    graph.add("second", ops.Conv(weights(1, 1, 4, 4), weights(4)), ["norm"])
    graph.add("sum", ops.Add(), ["pooled", "second"])
    graph.add("joined", ops.Concat(2), ["sum", "norm"])
    graph.add("on again", ops.Activation(relu), ["joined"])
    graph.add("mean", ops.AveragePool((3, 3) if rng.random() < 0.5 else (1, 1)), ["on again"])
    graph.add("flat", ops.Reshape((int(np.prod(graph.shape("mean"))),)), ["mean"])
    graph.add("hidden", ops.Dense(weights(graph.shape("flat")[0], 8), weights(8)), ["flat"])
    graph.add("y", ops.Dense(weights(8, 3), weights(3)), ["hidden"])
    graph.set_outputs(["y"])
    return graph


def case(seed: int) -> tuple[LayerGraph, Array, np.random.Generator]:
    rng = np.random.default_rng(seed)
    coarse = bool(rng.random() < 0.5)
    scale = float(rng.choice([1.0, 1.0, 2.0**-9, 2.0**-120, 256.0]))
    x = rng.normal(size=(3, 6, 6, 2)) * float(rng.choice([1.0, 1.0, 30.0]))
    return network(rng, coarse, scale), np.round(x * 8.0) / 8.0 if coarse else x, rng


def outside(runner: Runner, runs: Runs, x: Array, machine: Machine) -> int:
    """Stored values of one execution that leave their enclosure, and outputs that leave their bound."""
    found = execute(runner.cast_graph, x, machine)
    count = 0
    for name, value in found.items():
        if name in machine.skip:
            continue
        low, high = runs.machine.tensors[name].range()
        count += int(np.count_nonzero(~((low <= value) & (value <= high)) & ~(np.isinf(low) & np.isinf(high))))
    each = bound_rows(runs.machine, "y", pairs=False).each
    with np.errstate(invalid="ignore"):
        away = np.abs(found["y"] - runs.machine.tensors["y"].centre)
    return count + int(np.count_nonzero(~(away <= each) & np.isfinite(each)))


def violations(seed: int, fmt: str, runs: int, bias: str = "any", subnormals: str = "either") -> int:
    graph, x, rng = case(seed)
    rules = boundnet.build(storage=fmt, accumulate="binary32", bias=bias, subnormals=subnormals, stores="all")
    runner = Runner(graph, rules, "interval")
    assert runner.stepped
    bounded = runner.intervals([x])
    count = 0
    for _ in range(runs):
        place = bias if bias != "any" else str(rng.choice(["last", "leaf", "separate"]))
        flush = subnormals == "ftz+daz" or (subnormals == "either" and rng.random() < 0.5)
        count += outside(runner, bounded, x, Machine(STORES[fmt], rng, None, "leaf" if place == "first" else place, flush))
    return count
