"""What normalisations do on the way to their result: every result stored, the last one only, weights held wide, too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import boundnet
from boundnet import ops
from boundnet.analysis.runs import Runner
from boundnet.arithmetic import Arithmetic
from boundnet.arithmetic.formats import BINARY16, BINARY32, E4M3FN
from boundnet.functions import make
from boundnet.mca.engine.machine import EngineMachine
from boundnet.mca.engine.settle import settled
from boundnet.ops.base import Op, Tensor
from boundnet.roundoff.rounder import Rounder
from boundnet.testing import check_bound, check_graph

C = 6
RNG = np.random.default_rng(11)
MEAN, VARIANCE = RNG.normal(size=C), RNG.uniform(0.2, 3.0, C)
GAMMA, BETA = RNG.normal(size=C), RNG.normal(size=C)
BATCH = ops.BatchNorm(MEAN, VARIANCE, GAMMA, BETA)
LAYER = ops.LayerNorm(GAMMA, BETA)
RMS = ops.RMSNorm(GAMMA, None, 1e-5)
UNIT = ops.UnitNorm()
KINDS = ("stored", "kept", "wide")
f32 = np.float32


def rules(kind: str, storage: Any = BINARY16, **changes: Any) -> Arithmetic:
    return replace(boundnet.build("binary16"), storage=storage, normalisation=kind, **changes)


def data(*shape: int) -> np.ndarray:
    return np.asarray(BINARY16.round(np.random.default_rng(2).normal(size=shape) * 3.0), dtype=np.float64)


def at(x: np.ndarray) -> Tensor:
    return Tensor(x, np.zeros(x.shape), np.zeros(x.shape, dtype=np.bool_))


def on_engine(op: Op, arithmetic: Arithmetic, x: np.ndarray) -> np.ndarray:
    machine = EngineMachine(settled(arithmetic), np.arange(len(x), dtype=np.uint64), 0)
    return np.asarray(op.evaluate(machine, x))


@pytest.mark.parametrize("kind", ["kept", "wide"])
def test_engine_runs_them_in_float32(kind: str) -> None:
    """Bit for bit what NumPy computes in float32 and then casts; the weights are cast before, or not."""
    x = data(40, C)
    mean, variance, gamma, beta = (
        w.astype(np.float16 if kind == "kept" else f32).astype(f32) for w in (MEAN, VARIANCE, GAMMA, BETA)
    )
    x32 = x.astype(f32)
    # rsqrt is the double one rounded once, as the engine documents.
    scale = (1.0 / np.sqrt((variance + f32(1e-3)).astype(np.float64))).astype(f32) * gamma
    expected = ((x32 - mean) * scale + beta).astype(np.float16)
    assert np.array_equal(on_engine(BATCH, rules(kind), x), expected.astype(np.float64))

    total = np.zeros((40, 1), dtype=f32)
    for c in range(C):
        total += x32[:, c : c + 1]
    offset = x32 - total / f32(C)
    power = np.zeros((40, 1), dtype=f32)
    for c in range(C):
        power += offset[:, c : c + 1] * offset[:, c : c + 1]
    r = (1.0 / np.sqrt((power / f32(C) + f32(1e-3)).astype(np.float64))).astype(f32)
    expected = (offset * r * gamma + beta).astype(np.float16)
    assert np.array_equal(on_engine(LAYER, rules(kind), x), expected.astype(np.float64))


def test_engine_stores_every_result() -> None:
    """The same in float16 after every operation."""
    x = data(40, C)
    mean, variance, gamma, beta = (BINARY16.round(w) for w in (MEAN, VARIANCE, GAMMA, BETA))

    def h(value: np.ndarray) -> np.ndarray:
        return np.asarray(BINARY16.round(value.astype(f32).astype(np.float64)))

    scale = h(h(1.0 / np.sqrt(h(variance + BINARY16.round(np.array(1e-3))))) * gamma)
    expected = h(h(h(x - mean) * scale) + beta)
    assert np.array_equal(on_engine(BATCH, rules("stored"), x), expected)


@pytest.mark.parametrize("op", [BATCH, LAYER, RMS], ids=["batch", "layer", "rms"])
def test_bounds(op: Op) -> None:
    """Hold for executions of their own kind; kept intermediates make them several times smaller."""
    x = data(30, C)
    tensor = Tensor(x, np.full(x.shape, 1e-3), np.zeros(x.shape, dtype=np.bool_))
    sizes = {}
    for kind in KINDS:
        arithmetic = rules(kind)
        check_bound(op, [x], arithmetic, radius=[tensor.radius], trials=18, seed=4)
        cast = op.cast(lambda w, a=arithmetic, o=op: a.weights(o.normalises).round(w))
        sizes[kind] = float(np.median(cast.local(Rounder(arithmetic), tensor).rounding))
    assert sizes["kept"] < 0.5 * sizes["stored"]
    assert sizes["wide"] < 0.5 * sizes["stored"]
    # One rounding of the result is left, and a few of binary32.
    local = op.cast(BINARY16.round).local(Rounder(rules("kept")), at(x))
    most = rules("kept").one_rounding(np.abs(op.centre(x)) * 1.01 + 1e-3, BINARY16)
    assert np.all(local.rounding <= most + 2e-5)


@pytest.mark.parametrize("op", [BATCH, LAYER], ids=["batch", "layer"])
def test_kept_is_refuted_by_stored(op: Op) -> None:
    """The bound for kept intermediates is one of that model alone: machines that store them leave it."""
    x = data(60, C)
    weights = op.cast(BINARY16.round)
    local = weights.local(Rounder(rules("kept")), at(x))
    computed = on_engine(weights, rules("stored"), x)
    assert np.any(np.abs(computed - weights.centre(x)) > local.rounding)


@pytest.mark.parametrize("kind", KINDS)
def test_every_8_bit_value(kind: str) -> None:
    """All inputs of E4M3FN, every form and adversary."""
    every = np.unique(E4M3FN.round(np.linspace(-448.0, 448.0, 500_000)))
    x = np.repeat(np.asarray(every, dtype=np.float64)[:, None], C, axis=1)
    check_bound(BATCH, [x], rules(kind, E4M3FN), trials=24, seed=1)


def test_unit_normalisation_and_others_store() -> None:
    """Keras computes UnitNormalization, and everything that normalises nothing, in the tensors' format."""
    x = data(20, C)
    for op in (UNIT, ops.ScaleShift(GAMMA, BETA)):
        assert np.array_equal(on_engine(op, rules("kept"), x), on_engine(op, rules("stored"), x))
        tensor = at(x)
        kept, stored = (op.local(Rounder(rules(kind)), tensor).rounding for kind in ("kept", "stored"))
        assert np.array_equal(kept, stored)


def test_the_same_without_a_wider_accumulator() -> None:
    """Nothing is stored once more where the accumulator is the storage format."""
    arithmetic = replace(boundnet.build("pure-binary16"), normalisation="kept")
    assert arithmetic.inside is arithmetic
    assert boundnet.build("binary32").inside.storage == BINARY32


def test_wide_weights_are_not_cast() -> None:
    """The machine's network keeps the weights of normalisations, and casts all others."""
    graph = boundnet.LayerGraph("g")
    graph.add("x", ops.Input((C,)))
    graph.add("d", ops.Dense(RNG.normal(size=(C, C))), ("x",))
    graph.add("b", BATCH, ("d",))
    graph.set_outputs(["b"])
    for kind in KINDS:
        cast = Runner(graph, rules(kind)).cast_graph
        assert np.array_equal(cast.op("d").parameters()[0], BINARY16.round(graph.op("d").parameters()[0]))
        expected = BINARY32.round(MEAN) if kind == "wide" else BINARY16.round(MEAN)
        assert np.array_equal(cast.op("b").parameters()[0], expected)
        check_graph(graph, [data(1, C)], rules(kind), trials=12, seed=3)


@pytest.mark.parametrize("order", ["any", "sequential"])
def test_networks(order: str) -> None:
    """Several normalisations in a row, sketches included."""
    graph = boundnet.LayerGraph("g")
    graph.add("x", ops.Input((C,)))
    last = "x"
    for i, op in enumerate((ops.Dense(RNG.normal(size=(C, C)), BETA), BATCH, ops.Activation(make("relu")), LAYER, RMS)):
        graph.add(f"n{i}", op, (last,))
        last = f"n{i}"
    graph.set_outputs([last])
    for kind in KINDS:
        check_graph(graph, [data(1, C)], boundnet.build("bfloat16", order=order, normalisation=kind), trials=12, seed=5,
                    domains=("interval", "affine", "sketch"))  # fmt: skip


def test_unknown_value() -> None:
    with pytest.raises(boundnet.FormatError, match="normalisation 'sometimes': use one of stored, kept, wide"):
        boundnet.build("binary16", normalisation="sometimes")
