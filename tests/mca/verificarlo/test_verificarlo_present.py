"""The Verificarlo backend with a real Verificarlo: samples, bounds, and the emulator."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from boundnet import ops
from boundnet.arithmetic.formats import float_format
from boundnet.arithmetic.presets import build, preset
from boundnet.cli.app import app
from boundnet.crosscheck.results import crosscheck_from_json
from boundnet.domains.forward import forward
from boundnet.domains.interval import IntervalDomain
from boundnet.errors import ToolError
from boundnet.frontends import load
from boundnet.functions import make
from boundnet.graph import LayerGraph
from boundnet.mca.backend import Execution, Job, Sampling, backend
from boundnet.roundoff.rounder import Rounder

pytestmark = [
    pytest.mark.skipif(shutil.which("verificarlo-c") is None, reason="Verificarlo (verificarlo-c) is not on PATH"),
    pytest.mark.xdist_group("verificarlo"),
]
EXAMPLES = Path(__file__).parents[3] / "examples"
SAMPLINGS = (
    Sampling(6, "rr", 24), Sampling(6, "mca", 24), Sampling(6, "rr", 11), Sampling(6, "pb", 11), Sampling(6, "mca", 11),
    Sampling(6, "stochastic"), Sampling(1, "none"),
)  # fmt: skip


def digits() -> tuple[LayerGraph, np.ndarray]:
    with np.load(EXAMPLES / "digits_test.npz") as data:
        return load(str(EXAMPLES / "digits_cnn.h5")), data["inputs"][:3].astype(np.float64)


@pytest.fixture(scope="module")
def executions() -> Iterator[list[Execution]]:
    graph, _ = digits()
    found = list(backend("verificarlo").executions(Job(graph, None, preset("binary32"), SAMPLINGS)))
    folder = found[0].shared.build.folder  # type: ignore[attr-defined]
    yield found
    assert folder.exists()
    for execution in found:
        execution.close()
        execution.close()
    assert not folder.exists()


def test_every_operation_is_counted(executions: list[Execution]) -> None:
    assert "77,224 operations" in executions[0].notes[0]


def test_samples_lie_within_the_bounds_of_their_arithmetic(executions: list[Execution]) -> None:
    _, x = digits()
    for execution in executions:
        trace = forward(execution.graph, [x], Rounder(execution.arithmetic), IntervalDomain())
        seen = set()
        for node, values in execution.run([x], 0):
            tensor = trace.tensors[node]
            assert values.shape == (len(execution.rows), *tensor.centre.shape)
            assert (np.abs(values - tensor.centre) <= tensor.radius).all(), (execution.title, node)
            seen.add(node)
        assert seen >= set(execution.graph.outputs)


def test_samples_vary_and_depend_on_the_seed_alone(executions: list[Execution]) -> None:
    _, x = digits()
    for execution in executions[:3]:
        whole = dict(execution.run([x], 0))["digit"]
        assert (np.ptp(whole, axis=0) > 0).all()
        parts = [dict(execution.run([x[i : i + 1]], i))["digit"][:, 0] for i in (2, 0, 1)]
        for i, part in zip((2, 0, 1), parts, strict=True):
            np.testing.assert_array_equal(part, whole[:, i])


def test_noise_grows_as_precision_falls(executions: list[Execution]) -> None:
    graph, x = digits()
    spread = [dict(e.run([x], 0))["digit"].std(axis=0).mean() for e in executions[:5]]
    assert spread[2] > 1000 * spread[0]
    assert spread[4] > 1000 * spread[1]
    exact = graph.evaluate([x])["digit"]
    once = dict(executions[-1].run([x], 0))["digit"]
    assert once.shape == (1, *exact.shape)
    np.testing.assert_allclose(once[0], exact, rtol=0, atol=1e-4)


def both(job: Job, x: np.ndarray) -> Iterator[tuple[Execution, dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Each execution of a job by Verificarlo and by the built-in engine: all nodes of both."""
    ours = backend("builtin").executions(job)
    for theirs, own in zip(backend("verificarlo").executions(job), ours, strict=True):
        try:
            yield theirs, dict(theirs.run([x], 0)), dict(own.run([x], 0))
        finally:
            theirs.close()


@pytest.mark.parametrize("fmt", ["binary32", "binary64", "float(8,8)", "float(11,5)"])
def test_without_noise_the_built_in_engine_gives_the_same_bits(fmt: str) -> None:
    graph, x = digits()
    # 53 significant bits each: they must be rounded to the format at once, not to float first.
    x, graph = x * 0.9173, graph.mapped(lambda weight: weight * 0.9991)
    rules = build("c-binary32", storage=fmt, accumulate=fmt)
    for execution, theirs, own in both(Job(graph, None, rules, (Sampling(1, "none"),)), x):
        for node in own:
            if node.endswith("softmax"):  # another library's exp
                np.testing.assert_allclose(theirs[node], own[node], rtol=4.0 * rules.storage.unit_roundoff, atol=1e-7)
            else:
                np.testing.assert_array_equal(execution.arithmetic.storage.round(theirs[node]), own[node])


def test_samples_and_the_built_in_engine_agree_in_distribution() -> None:
    stats = pytest.importorskip("scipy.stats")
    graph, x = digits()
    samplings = [Sampling(60, mode, t, seed=11) for mode in ("rr", "pb", "mca") for t in (24, 11)]  # type: ignore[arg-type]
    for execution, theirs, own in both(
        Job(graph, None, build("c-binary32"), (*samplings, Sampling(60, "stochastic", seed=11))), x
    ):
        a, b = (values["digit"].reshape(60, -1).T for values in (theirs, own))
        p = [stats.ttest_ind(u, v, equal_var=False).pvalue for u, v in zip(a, b, strict=True)]
        p += [stats.levene(u, v, center="median").pvalue for u, v in zip(a, b, strict=True)]
        assert min(p) * len(p) > 0.001, execution.title


def small_ops() -> LayerGraph:
    graph = LayerGraph("small")
    a, b = (graph.add(name, ops.Input((400,))) for name in "ab")
    names = [graph.add(kind.__name__, kind(), [a, b]) for kind in (ops.Add, ops.Subtract, ops.Multiply)]
    names.append(graph.add("softsign", ops.Activation(make("softsign")), [a]))
    graph.set_outputs(names)
    return graph


@pytest.mark.parametrize(("precision", "exponent_bits"), [(8, 8), (11, 5), pytest.param(4, 4, marks=pytest.mark.slow)])
def test_vprec_rounds_once_to_the_format(precision: int, exponent_bits: int) -> None:
    fmt, graph = float_format(precision, exponent_bits), small_ops()
    arithmetic = build(storage=fmt.name, accumulate=fmt.name)
    rng = np.random.default_rng(5)
    scale = 2.0 ** rng.integers(max(fmt.emin - precision, -40), min(fmt.emax // 2, 20), size=(2, 3, 400))
    a, b = fmt.round(rng.normal(size=(2, 3, 400)) * scale)
    (execution,) = backend("verificarlo").executions(Job(graph, None, arithmetic, (Sampling(1, "none"),)))
    try:
        found = {name: value[0] for name, value in execution.run([a, b], 0)}
    finally:
        execution.close()
    quotients = a / fmt.round(1.0 + np.abs(a))
    for name, exact in {"Add": a + b, "Subtract": a - b, "Multiply": a * b, "softsign": quotients}.items():
        # VPREC rounds half of the smallest subnormal number up, where IEEE 754 has the even 0; all else is the same.
        tie = np.abs(exact) == fmt.smallest_subnormal / 2.0
        np.testing.assert_array_equal(found[name][~tie], fmt.round(exact)[~tie])
        assert np.isin(np.abs(found[name][tie]), [0.0, fmt.smallest_subnormal]).all()


def test_time_limit() -> None:
    graph, x = digits()
    job = Job(graph, None, preset("binary32"), (Sampling(200, "mca", 24),), {"timeout": 0.2})
    (execution,) = backend("verificarlo").executions(job)
    folder = execution.shared.build.folder  # type: ignore[attr-defined]
    with pytest.raises(ToolError, match=r"more than 0\.2 s"):
        list(execution.run([np.repeat(x, 4, axis=0)], 0))
    assert not list(folder.glob("in*.npy"))
    execution.close()
    assert not folder.exists()


def test_all_backends_in_one_call(tmp_path: Path) -> None:
    """Built-in engine, Verificarlo and Keras side by side, told apart in every kind of result."""
    pytest.importorskip("keras")
    x = tmp_path / "x.npy"
    np.save(x, digits()[1])
    done = CliRunner(env={"COLUMNS": "180"}).invoke(app, [
        "crosscheck", str(EXAMPLES / "digits_cnn.h5"), "--inputs", str(x), "--backend", "builtin,verificarlo,keras",
        "--mode", "none,rr", "--samples", "3", "--json", str(tmp_path / "r.json"), "--csv", str(tmp_path / "r.csv"),
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "runs by builtin, keras and verificarlo" in done.stdout.splitlines()[0]
    found = crosscheck_from_json((tmp_path / "r.json").read_text())
    assert [(check.backend, check.title) for check in found.checks] == [
        ("builtin", "builtin binary32"), ("builtin", "builtin binary32 rr(24)"), ("verificarlo", "verificarlo ieee"),
        ("verificarlo", "verificarlo rr(24)"), ("keras", "keras float32, layers"), ("keras", "keras float32"),
    ]  # fmt: skip
    with (tmp_path / "r.csv").open() as stream:
        assert {row["backend"] for row in csv.DictReader(stream)} == {"builtin", "verificarlo", "keras"}
    # Document order, no noise: the same network in the same arithmetic observes the same distances.
    plain = {check.backend: [row.observed for row in check.layers[:-1]] for check in found.checks if "ieee" in check.title or check.title == "builtin binary32"}  # fmt: skip
    assert plain["builtin"] == plain["verificarlo"]


@pytest.mark.parametrize("what", ["killed child", "Ctrl-C"])
def test_interrupted_sampling_leaves_nothing(what: str, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    np.save(tmp_path / "x.npy", np.repeat(digits()[1], 100, axis=0))
    command = [sys.executable, "-c", "from boundnet.cli import main; main()", "mca", str(EXAMPLES / "digits_cnn.h5"), "--inputs",
               str(tmp_path / "x.npy"), "--backend", "verificarlo", "--mode", "mca", "--samples", "500",
               "--json", str(tmp_path / "r.json")]  # fmt: skip
    process = subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(temporary)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 240.0
    while not list(temporary.glob("*/in*.npy")) or not children(process.pid):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    if what == "Ctrl-C":
        process.send_signal(signal.SIGINT)
    else:
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == (130 if what == "Ctrl-C" else 2)
    assert ("interrupted; nothing was written" if what == "Ctrl-C" else "killed by signal 9") in stderr
    assert not list(temporary.iterdir())
    assert not (tmp_path / "r.json").exists()


def children(parent: int) -> list[int]:
    """Processes of the compiled network that ``parent`` has started."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True, check=False
    ).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "./network" in line]
