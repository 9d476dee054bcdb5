"""What executions store lies in the enclosure of every element: random orders, ties, subnormals, flushing, overflow."""

from __future__ import annotations

import os

import numpy as np
import pytest
from narrow_runs import STORES, Machine, execute

import boundnet
from boundnet import ops
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.heads import bound_rows
from boundnet.rounding import Array
from boundnet.runs import Runner, Runs

RUNS = int(os.environ.get("BOUNDNET_NARROW_RUNS", "12"))


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
    rules = boundnet.build(storage=fmt, accumulate="binary32", bias=bias, subnormals=subnormals)
    runner = Runner(graph, rules, "interval")
    assert runner.stepped
    bounded = runner.intervals([x])
    count = 0
    for _ in range(runs):
        place = bias if bias != "any" else str(rng.choice(["last", "leaf", "separate"]))
        flush = subnormals == "ftz+daz" or (subnormals == "either" and rng.random() < 0.5)
        count += outside(runner, bounded, x, Machine(STORES[fmt], rng, None, "leaf" if place == "first" else place, flush))
    return count


@pytest.mark.parametrize("fmt", STORES)
@pytest.mark.parametrize("bias", ["any", "last", "separate"])
def test_everything_stored_is_enclosed(fmt: str, bias: str) -> None:
    for seed in range(6):
        assert violations(seed, fmt, RUNS, bias) == 0, seed
    assert violations(99, fmt, 3, bias, "ftz+daz") == violations(98, fmt, 3, bias, "gradual") == 0


@pytest.mark.slow
@pytest.mark.parametrize("fmt", STORES)
def test_everything_stored_is_enclosed_at_length(fmt: str) -> None:
    for seed in range(1000, 1060):
        for bias in ("any", "last", "separate"):
            assert violations(seed, fmt, 60, bias) == 0, (seed, bias)


def test_own_rounding_is_the_formats() -> None:
    rng = np.random.default_rng(1)
    value = (rng.normal(size=20000) * 2.0 ** rng.integers(-20, 12, 20000)).astype(np.float32)
    value = np.concatenate([value, np.float32(0.5) * (np.arange(-600, 600, dtype=np.float32))])
    for name, own in STORES.items():
        assert np.array_equal(
            own(value), boundnet.build(storage=name).storage.round(value.astype(np.float64)), equal_nan=True
        )


def test_most_of_it_is_decided() -> None:
    """The enclosures say something: in a small network most stored numbers are known to the last bit."""
    graph, x, _ = case(0)
    bounded = Runner(graph, boundnet.build(storage="fp8_e4m3fn", accumulate="binary32", bias="last"), "interval").intervals(
        [x]
    )
    shares = [float(np.mean(bounded.machine.tensors[name].radius == 0.0)) for name in ("first", "norm", "sum", "y")]
    assert min(shares) > 0.9


def test_a_program_that_skips_a_store_is_outside() -> None:
    """The one rule that does not grow with its noise: decided roundings rest on every tensor being stored."""
    found = 0
    for seed in range(6):
        graph, x, rng = case(seed)
        runner = Runner(graph, boundnet.build(storage="bfloat16", accumulate="binary32", bias="last"), "interval")
        bounded = runner.intervals([x])
        machine = Machine(STORES["bfloat16"], rng, skip=frozenset(["first", "on", "pooled"]))
        found += outside(runner, bounded, x, machine)
    assert found > 0
    kept = Runner(graph, boundnet.build(storage="bfloat16", accumulate="binary32", stores="any"), "interval")
    assert not kept.stepped
