"""Emitted C against the emulator: the same bits, for every op and every function."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.cases import ACTIVATIONS, CASES, Draw, network
from helpers.compiled_c import FLAGS, WARNINGS, Compiled, SameChoices, emulate, needs_cc, rules

from boundnet import ops
from boundnet.frontends import load
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Job, Sampling, backend
from boundnet.mca.emit.network import EMITTERS

pytestmark = needs_cc
REALS = ["float", "double"]


class Mild(Draw):
    """Data without overflow: ordinary, tiny, with zeros, exact ones."""

    def stored(self, *shape: int) -> np.ndarray:
        x = self.rng.normal(size=shape)
        kind = self.rng.integers(5)
        if kind == 1:
            x = x * 2.0 ** self.rng.integers(-20, 6, size=shape)
        elif kind == 2:
            x = x * 2.0**-124
        elif kind == 3:
            x = np.where(self.rng.random(shape) < 0.4, 0.0, x)
        elif kind == 4:
            x = self.rng.choice([-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0], size=shape)
        return np.asarray(self.arithmetic.storage.round(x))


def agree(graph: LayerGraph, compiled: Compiled, inputs: list[np.ndarray]) -> None:
    """The emulator, and the built-in engine with functions of its own: the C library's in binary64, rounded once."""
    expected = emulate(graph, SameChoices(compiled), inputs)
    found = compiled.run(inputs)
    for name, value in found.items():
        assert np.array_equal(value, expected[name], equal_nan=True), f"{name}: {graph.op(name).describe()}"
    job = Job(graph, None, rules(compiled.emitted.real), (Sampling(1, "none"),))
    (execution,) = backend("builtin").executions(job)
    for name, values in execution.run(inputs, 0):
        assert np.array_equal(values[0], found[name], equal_nan=True), f"engine, {name}: {graph.op(name).describe()}"


def join(parts: list[tuple[str, ops.Op, list[tuple[int, ...]]]]) -> LayerGraph:
    """One graph of many ops side by side, so that it is compiled once."""
    graph, outputs = LayerGraph("many"), []
    for name, op, shapes in parts:
        sources = [graph.add(f"{name}/in{i}", ops.Input(shape)) for i, shape in enumerate(shapes)]
        outputs.append(graph.add(name, op, sources))
    graph.set_outputs(outputs)
    return graph


MORE: dict[str, Callable[[Draw], tuple[ops.Op, list[tuple[int, ...]]]]] = {
    "conv strided": lambda d: (ops.Conv(d.weight(3, 2, 3, 4), d.maybe(4), (2, 1), (1, 2), 1, ((1, 2), (0, 3))), [(6, 5, 3)]),
    "conv grouped": lambda d: (ops.Conv(d.weight(2, 2, 3, 6), d.maybe(6), groups=3), [(4, 3, 9)]),
    "conv 3d": lambda d: (ops.Conv(d.weight(2, 1, 2, 2, 3), d.maybe(3), padding=((1, 0), (0, 0), (0, 1))), [(3, 2, 3, 2)]),
    "transposed strided": lambda d: (
        ops.ConvTranspose(d.weight(3, 3, 2, 3), d.maybe(2), (2, 3), (1, 1), ((1, 0), (0, 1)), (1, 0)), [(3, 2, 3)]),
    "transposed dilated": lambda d: (ops.ConvTranspose(d.weight(3, 2, 4), d.maybe(2), (2,), (2,)), [(4, 4)]),
    "transposed grouped": lambda d: (ops.ConvTranspose(d.weight(2, 2, 6), d.maybe(4), (2,), groups=2), [(3, 6)]),
    "transposed padded out": lambda d: (ops.ConvTranspose(d.weight(1, 2, 2), d.maybe(2), (3,), extra=(2,)), [(3, 2)]),
    "dense of a sequence": lambda d: (ops.Dense(d.weight(3, 4), d.maybe(4)), [(2, 2, 3)]),
    "dense to one": lambda d: (ops.Dense(d.weight(5, 1), d.maybe(1)), [(5,)]),
    "batch_matmul in front": lambda d: (ops.BatchMatMul(d.weight(2, 3, 2), d.maybe(2, 1)), [(4, 2, 3)]),
    "contract inner": lambda d: (ops.Contract((1, 1)), [(2, 3), (4, 3)]),
    "average padded": lambda d: (ops.AveragePool((3, 3), (2, 2), ((1, 1), (1, 1))), [(5, 4, 2)]),
    "average of one": lambda d: (ops.AveragePool((2,), (2,), ((1, 1),)), [(4, 2)]),
    "max padded": lambda d: (ops.MaxPool((3, 2), (2, 2), ((1, 1), (0, 1))), [(5, 3, 2)]),
    "einsum scaled": lambda d: (ops.Einsum("qhd,khd->hqk", 0.3), [(2, 2, 3), (4, 2, 3)]),
    "layer norm": lambda d: (ops.LayerNorm(d.weight(3), d.weight(3)), [(4, 3)]),
    "layer norm of two axes": lambda d: (ops.LayerNorm(d.weight(2, 1), d.weight(2, 3), axes=2), [(3, 2, 3)]),
    "rms norm": lambda d: (ops.RMSNorm(d.weight(3)), [(2, 3)]),
    "unit norm": lambda d: (ops.UnitNorm(), [(2, 3)]),
    "masked softmax": lambda d: (ops.MaskedSoftmax(2, d.rng.integers(2, size=(1, 3, 4)).astype(float)), [(2, 3, 4)]),
    "masked by data": lambda d: (ops.MaskedSoftmax(0), [(4, 2), (4, 1)]),
    "add biased": lambda d: (ops.AddBiased(d.weight(1, 3)), [(2, 3), (2, 3)]),
    "blank": lambda d: (ops.Blank((2, 2)), [(3,)]),
    "differs": lambda d: (ops.Differs(float(d.rng.choice([0.0, 0.1, 1.0]))), [(5, 2)]),
    "select": lambda d: (ops.Select(), [(2, 1), (2, 3), (2, 3)]),
    "divide": lambda d: (ops.Divide(), [(2, 3), (1, 3)]),
    "divide by": lambda d: (ops.DivideBy(0.3), [(2, 3)]),
    "softmax of rows": lambda d: (ops.Softmax(1), [(2, 4, 3)]),
    "log_softmax of columns": lambda d: (ops.LogSoftmax(0), [(4, 3)]),
    "total inner": lambda d: (ops.Total(1), [(2, 3, 2)]),
    "add one": lambda d: (ops.Add(), [(3,)]),
    "add broadcast": lambda d: (ops.Add(), [(2, 1, 3), (1, 4, 1), (2, 4, 3)]),
    "add rows": lambda d: (ops.Multiply(), [(3, 1), (3, 1), (1, 2)]),
    "subtract": lambda d: (ops.Subtract(), [(3, 2), (1, 2)]),
    "minimum": lambda d: (ops.Minimum(), [(3, 2), (3, 1), (1, 2)]),
    "maximum": lambda d: (ops.Maximum(), [(3, 1), (1, 2)]),
    "average": lambda d: (ops.Average(), [(3,), (3,), (3,)]),
    "scale rows": lambda d: (ops.ScaleShift(d.weight(2, 1), d.maybe(3)), [(2, 3)]),
    "norm without": lambda d: (ops.BatchNorm(d.weight(2), np.abs(d.weight(2))), [(3, 3, 2)]),
    "prelu of cells": lambda d: (ops.PReLU(d.weight(2, 1, 3)), [(2, 4, 3)]),
    "slice back": lambda d: (ops.Slice((None, -1), (None, None), (2, -2)), [(5, 6)]),
    "repeat first": lambda d: (ops.Repeat(0, 3), [(2, 2)]),
    "transpose three": lambda d: (ops.Transpose((2, 0, 1)), [(2, 3, 4)]),
    "pad three": lambda d: (ops.Pad(((0, 1), (2, 0), (1, 1))), [(2, 1, 2)]),
    "concat first": lambda d: (ops.Concat(0), [(2, 3), (1, 3)]),
    "take rows": lambda d: (ops.Take(0, (2, 0, 2, 1)), [(3, 2)]),
    "take cells": lambda d: (ops.Take(2, (0, 1, 1)), [(2, 3, 2)]),
    "patches": lambda d: (ops.Patches((2, 3), (2, 1)), [(5, 4, 2)]),
    "bilinear": lambda d: (ops.Bilinear(((4, 8), (8, 2), (2, 4))[d.rng.integers(3)]), [(4, 4, 2)]),
    "bucket": lambda d: (ops.Bucket((-1.0, 0.1, 0.5)), [(4, 5)]),
    "bucket of none": lambda d: (ops.Bucket(()), [(3,)]),
    "reshape": lambda d: (ops.Reshape((3, 2)), [(2, 3)]),
}  # fmt: skip


@pytest.mark.parametrize("real", REALS)
def test_every_op(real: str, tmp_path: Path) -> None:
    d = Mild(rules(real), 7)
    drawn = [(f"{name} {i}", *case(d)) for name, case in (CASES | MORE).items() for i in range(2)]
    parts = [part for part in drawn if type(part[1]) in EMITTERS]
    assert {type(op) for _, op, _ in parts} | {ops.Activation, ops.Lookup} >= set(EMITTERS)
    graph = join(parts)
    compiled = Compiled(graph, tmp_path / "c", real)
    agree(graph, compiled, [d.stored(6, *graph.shape(name)) for name in graph.inputs])


def test_lookup(tmp_path: Path) -> None:
    d = Mild(rules("float"), 9)
    graph = join([("lookup", ops.Lookup(d.weight(4, 2)), [(5,)])])
    compiled = Compiled(graph, tmp_path / "c")
    agree(graph, compiled, [np.array([[0.0, 3.0, 2.0, 1.5, -0.5]])])
    outside = compiled.run([np.array([[4.0, -1.0, np.nan, 1e30, 1.0]])])["lookup"][0]
    assert np.isnan(outside[:4]).all()
    assert np.isfinite(outside[4]).all()


@pytest.mark.parametrize("real", REALS)
def test_every_activation(real: str, tmp_path: Path) -> None:
    d = Mild(rules(real), 8)
    graph = join([(f"{f} {i}", ops.Activation(f), [(40,)]) for i, f in enumerate(ACTIVATIONS)])
    special = np.array([0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 2.5, -2.5, 6.0, 7.0, 90.0, -90.0, 1e-30, -1e-30, 1e-40])
    x = np.concatenate([special, *(d.stored(79) for _ in range(5))])[: 40 * 10].reshape(10, 40)
    x = rules(real).storage.round(x)
    agree(graph, Compiled(graph, tmp_path / "c", real), [x] * len(graph.inputs))


@pytest.mark.parametrize("seed", range(4))
def test_random_networks(seed: int, tmp_path: Path) -> None:
    d = Mild(rules("float"), 100 + seed)
    graph, shape = network(d)
    agree(graph, Compiled(graph, tmp_path / "c"), [d.stored(5, *shape)])


def test_a_network_without_operations_and_helpers_only_where_called(tmp_path: Path) -> None:
    """Compiled with warnings as errors, by clang as well where it is found: it minds functions that nothing calls."""
    nothing = LayerGraph("nothing")
    nothing.set_outputs([nothing.add("x", ops.Input((3,)))])
    assert Compiled(nothing, tmp_path / "nothing").run([np.eye(3)])["x"].tolist() == np.eye(3).tolist()
    dense = join([("d", ops.Dense(np.eye(3)), [(3,)])])
    largest = join([("max", ops.MaxPool((2,)), [(4, 1)])])
    for graph, called in ((dense, False), (largest, True)):
        folder = tmp_path / graph.outputs[0]
        Compiled(graph, folder)
        assert ("network_max" in (folder / "network.c").read_text()) is called
        clang = next(filter(None, map(shutil.which, ("clang", "clang-19", "clang-14"))), None)
        if clang is not None:
            words = [clang, *FLAGS, *WARNINGS, "-c", "network.c", "-o", "network.o"]
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


def test_not_a_number_travels(tmp_path: Path) -> None:
    graph = join(
        [("max", ops.MaxPool((2,)), [(4, 1)]), ("add", ops.Maximum(), [(2,), (2,)]), ("soft", ops.Softmax(0), [(2,)])]
    )
    x = [np.array([[[np.nan], [1.0], [2.0], [np.nan]]]), np.array([[np.nan, 1.0]]), np.array([[1.0, np.nan]]),
         np.array([[0.0, np.nan]])]  # fmt: skip
    values = Compiled(graph, tmp_path / "c").run(x)
    for name in ("max", "add", "soft"):
        assert np.isnan(values[name]).all()


@pytest.mark.parametrize("real", REALS)
def test_functions_are_as_accurate_as_their_table_says(real: str, tmp_path: Path) -> None:
    mpmath = pytest.importorskip("mpmath")
    graph = join([("relu", ops.Activation(ACTIVATIONS[0]), [(1,)])])
    compiled, arithmetic = Compiled(graph, tmp_path / "c", real), rules(real)
    rng, fmt = np.random.default_rng(3), arithmetic.storage
    exact = {
        "exp": mpmath.exp, "expm1": mpmath.expm1, "log": mpmath.log, "log1p": mpmath.log1p, "tanh": mpmath.tanh,
        "erf": mpmath.erf, "sqrt": mpmath.sqrt, "rsqrt": lambda v: 1 / mpmath.sqrt(v),
        "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)), "softplus": lambda v: mpmath.log1p(mpmath.exp(v)),
    }  # fmt: skip
    with mpmath.workprec(200):
        for name, truth in exact.items():
            x = np.concatenate([rng.normal(size=60) * 4, rng.uniform(-85, 85, 60), rng.normal(size=30) * 2.0**-30])
            x = np.abs(x) if name in ("log", "log1p", "sqrt", "rsqrt") else x
            x = fmt.round(x)
            for at, y in zip(x, compiled.function(name, x), strict=True):
                value = truth(mpmath.mpf(float(at)))
                size = max(2 * fmt.unit_roundoff * abs(value), mpmath.mpf(fmt.smallest_subnormal))
                assert abs(mpmath.mpf(float(y)) - value) <= arithmetic.functions.of(name) * size, (name, at, y)


def test_digits(tmp_path: Path) -> None:
    examples = Path(__file__).parents[3] / "examples"
    graph = load(examples / "digits_cnn.h5")
    with np.load(examples / "digits_test.npz") as data:
        x = data["inputs"][:3].astype(np.float64)
    compiled = Compiled(graph, tmp_path / "c")
    assert sum(compiled.emitted.total_operations.values()) > 70_000
    agree(graph, compiled, [x])
